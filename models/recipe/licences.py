"""What a file may be used under: debian/copyright (DEP-5) and notices inside files.

Only permissive terms pass.  A choice ("BSD-3-clause or GPL-2") passes if one side is permissive; a sum ("and") must be
so in every part.  This is a filter, not a legal review.
"""
import fnmatch
import re

NOT_PERMISSIVE = re.compile(r'GPL|MPL|Mozilla|CDDL|\bEPL|\bCPL|FDL|CC-BY-?(SA|NC|ND)|CC-(SA|NC)|Artistic|\bOSL|EUPL|'
                            r'QPL|SSPL|BUSL|AFL|non-?free|non-?commercial|proprietary|^other$|^unknown$', re.I)
NOTICE = re.compile(r'GNU (Lesser |Library |Affero )?General Public|\bA?L?GPL-?v?[23]|SPDX-License-Identifier:[^\n]*GPL|'
                    r'CC[- ]BY[- ](SA|NC|ND)|Mozilla Public|MPL-?[12]|Common Development and Distribution|'
                    r'Eclipse Public|All rights reserved\.? *(Confidential|Proprietary)', re.I)
SPDX = re.compile(r'SPDX-License-Identifier:\s*\(?([^\n]*)', re.I)


def permissive(expression):
    """Whether one of the alternatives of a licence expression has no part that is copyleft, not free, or unknown."""
    return any(not NOT_PERMISSIVE.search(x) for x in re.split(r'\s+or\s+|\|', expression, flags=re.I))


def notice_permits(head):
    """Whether the head of a file allows its use: no copyleft named, or a permissive alternative stated by SPDX."""
    spdx = SPDX.search(head)
    return not NOTICE.search(head) or bool(spdx and permissive(spdx.group(1)))


class Copyright:
    """A debian/copyright: the licence of each path.  The last stanza that matches a path holds, as DEP-5 says."""

    def __init__(self, text=''):
        self.stanzas = []                                    # (pattern, licence), the last first
        for stanza in re.split(r'\n[ \t]*\n', text.replace('\r\n', '\n')):
            files = re.search(r'^Files:((?:.*)(?:\n[ \t]+.*)*)', stanza, re.M | re.I)
            name = re.search(r'^License:[ \t]*(\S.*)$', stanza, re.M | re.I)
            if not files or not name or len(name.group(1)) > 80: continue      # 80: prose where a name should be
            globs = [fnmatch.translate(g.replace('[', '[[]')) for g in files.group(1).replace(',', ' ').split()]
            if globs: self.stanzas.insert(0, (re.compile('|'.join(globs)), name.group(1).strip()))

    def of(self, path):
        """Licence of a file, None where nothing is said."""
        return next((name for pattern, name in self.stanzas if pattern.match(path)), None)

    def main(self):
        """Licence of the package: what holds for a path of which nothing special is said."""
        return self.of('\0')
