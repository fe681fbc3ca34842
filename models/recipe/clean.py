"""From the bytes of a source file or a page of documentation to text worth learning, or None."""
import html
import os
import re
import textwrap

from licences import notice_permits

ENDINGS = {'py': '.py .pyi .pyx', 'c': '.c .h', 'sh': '.sh .bash', 'lua': '.lua', 'js': '.js .mjs .cjs', 'go': '.go',
           'rs': '.rs', 'prose': '.rst .md .txt .pod .adoc .html .sgml .en .mdx .mdoc'}
CLASS = {e: k for k, es in ENDINGS.items() for e in es.split()}
OWN = {'py': ('.py', '.pyi'), 'c': ('.c', '.h'), 'sh': ('.sh',), 'lua': ('.lua',), 'js': ('.js', '.mjs', '.cjs'),
       'go': ('.go',), 'rs': ('.rs',), 'prose': ('.rst', '.md', '.txt')}
MAN = re.compile(r'\.[1-9n](\.in)?$')
SKIP_DIR = re.compile(
    r'(^|/)(_?vendor(ed)?|third[-_]?party|3rdparty|extern(al|als)?|deps|bundled?|node_modules|subprojects|submodules|'
    r'site-packages/pip|locales?|po|i18n|testdata|test[-_]data|fixtures?|data|corpora|corpus|fuzz(ing)?|golden|'
    r'expected|samples?-?data|snapshots?|releasenotes|licenses?|autom4te\.cache|m4|win32/libs|khronos|GL|dictionaries|'
    r'changelog\.d|newsfragments|unicode|pc-bios|kernel/linux|dist|min)/|(^|/)\.', re.I)
NOT_PROSE = re.compile(r'(^|/)templates?/|(^|/)(licen[cs]e|copying|notice|copyright|authors|thanks|contributors|changes?|'
                       r'changelog|news|history|sources|pkg-info|requirements|cmakelists|top_level|entry_points|manifest)[^/]*$', re.I)
MADE = re.compile(r'(_pb2|\.pb|\.min|lextab|yacctab|unicodedata|-lock|_generated|\.gen|bindings_gen)[^/]*$', re.I)
TEST = re.compile(r'(^|/)(tests?|testing|unittests?|testsuite|functional)(/|$)|(^|/)test_|_tests?\.', re.I)
GENERATED = re.compile(r'(automatically |auto-?)generated|generated (by|from|file|automatically|using)|'
                       r'do not (edit|modify|hand edit)|produced by (flex|bison)|machine generated', re.I)
CPLUSPLUS = re.compile(r'^[ \t]*(namespace[ \t]*\w*[ \t]*\{|template[ \t]*<|class[ \t]+\w+[^;()\n]*[:{][ \t]*$|'
                       r'using[ \t]+namespace|(public|private|protected):[ \t]*$)', re.M)
STOP = set('the a an of to and in is for that it be with as are this or by on if not can from which when you will '
           'should has have must was but at'.split())


def class_of(path):
    """Class of a file by its name, None: of no use."""
    low = path.lower()
    if SKIP_DIR.search(path) or MADE.search(path): return None
    kind = CLASS.get(os.path.splitext(low)[1])
    if not kind and (MAN.search(low) or os.path.basename(low).startswith('readme')): kind = 'prose'
    return None if kind == 'prose' and (TEST.search(path) or NOT_PROSE.search(path)) else kind


def stored_name(path, kind):
    """The name under which the text is kept: one whose ending tells the class."""
    return path if path.lower().endswith(OWN[kind]) else path + OWN[kind][-1 if kind == 'prose' else 0]


# ---- markup ----
NO_TEXT = re.compile(r'(?is)<(script|style|head)\b.*?</\1\s*>|<div class="nav(header|footer)".*?</div>|<!--.*?-->|'
                     r'<!\[CDATA\[|\]\]>|<[!?][^<>]*>')
LITERAL = re.compile(r'(?is)(<(pre|programlisting|screen|synopsis|literallayout)\b.*?</\2\s*>)')
PARAGRAPH = re.compile(r'(?i)</?(p|div|h\d|pre|table|ul|ol|dl|para|simpara|title|sect\d|refsect\d|refsynopsisdiv|itemizedlist|'
                       r'orderedlist|variablelist|programlisting|screen|synopsis|literallayout|blockquote|section)\b[^<>]*>')
LINE = re.compile(r'(?i)</?(br|li|tr|dt|dd|listitem|row|varlistentry|term|member|entry)\b[^<>]*>')
CELL = re.compile(r'(?i)</(td|th)\b[^<>]*>')
TAG = re.compile(r'<[^<>]{1,300}>')


def plain_markup(text):
    """HTML and DocBook: paragraphs apart by one blank line, running lines short, literal blocks as they are."""
    text = NO_TEXT.sub('', text)
    out = []
    for i, part in enumerate(LITERAL.split(text)):
        if i % 3 == 2: continue                              # the name of the tag
        if i % 3 == 1:
            out.append('\n\n' + html.unescape(TAG.sub('', part)).strip('\n') + '\n\n')
            continue
        part = re.sub(r'[ \t]*\n\s*', '\n', re.sub(r'[ \t\xa0]+', ' ', CELL.sub(' ', part)))
        part = html.unescape(TAG.sub('', LINE.sub('\n', PARAGRAPH.sub('\n\n', part))))
        part = '\n'.join(x.strip() for x in part.split('\n'))
        out.append(re.sub(r'[^\n]{100,}', lambda m: textwrap.fill(m.group(), 79), part))
    return ''.join(out)


SILENT = set('TH Dd Dt Os de ds nr if ie el so ad nh ta ft in'.split())
BREAK = set('PP P LP Pp TP IP It HP sp br Bl El RS RE'.split())
MDOC = re.compile(r'\b(Ar|Fl|Op|Cm|Xr|Nm|Pa|Va|Dv|Ic|Li|Em|Sy|Ns|Fn|Fa|Ft|Vt|Oo|Oc|Ql|Dq|Sq|Pq|Ev|Er) ')


def plain_roff(text):
    """Manual pages, man and mdoc."""
    out = []
    for line in text.split('\n'):
        if line.startswith(('.\\"', '\'\\"', '\\."')): continue
        m = re.match(r"[.']\s*([A-Za-z]\w?)\b ?(.*)", line)
        if m:
            cmd, arg = m.groups()
            if cmd in ('SH', 'Sh', 'SS', 'Ss'):
                out += ['', arg.strip('"').upper()]
                continue
            if cmd in BREAK: out.append('')
            if cmd in SILENT or cmd[0].islower() and cmd not in ('br', 'sp'): continue
            line = MDOC.sub('', arg.replace('"', ''))
        line = re.sub(r'\\f(\[\w*\]|\(..|.)|\\[&|^,/%]|\\s[-+]?\d', '', line)
        line = re.sub(r'\\(-|\(en|\(em)', '-', line).replace('\\e', '\\').replace('\\ ', ' ')
        out.append(line.replace('\\(aq', "'").replace('\\(dq', '"').replace('\\(bu', '*'))
    return '\n'.join(out)


def plain_prose(text, path):
    low = path.lower()
    if MAN.search(low) or low.endswith('.mdoc'): text = plain_roff(text)
    elif low.endswith(('.html', '.sgml', '.en')) or '<!DOCTYPE' in text[:300]: text = plain_markup(text)
    elif low.endswith('.pod'): text = re.sub(r'[BICFLSX]<([^<>\n]*)>', r'\1', text)
    return re.sub(r'\n([ \t]*\n){2,}', '\n\n', text)


# ---- what is kept ----
def reads_well(text, kind):
    """Neither tables, nor data, nor (prose) another language than English."""
    lines, head = text.split('\n'), text[:20000]
    if len(text) < 200 or len(lines) < 6: return False
    if max(map(len, lines)) > 1000 or len(text) / len(lines) > (160 if kind == 'prose' else 90): return False
    if sum(map(str.isalpha, head)) < (0.55 if kind == 'prose' else 0.35) * len(head): return False
    if kind != 'prose': return len(re.findall(r'0x[0-9a-fA-F]+|\b\d+\b', text)) <= len(text) / 25
    words = re.findall(r'[a-z]+', head.lower())
    if sum(x > '\x7f' for x in head) > 0.05 * len(head): return False
    return sum(w in STOP for w in words) >= 0.12 * max(len(words), 1)


def clean(raw, kind, path):
    """The text of a file, or None where it is of no use."""
    if not 200 <= len(raw) <= 600_000 or b'\0' in raw: return None
    try: text = raw.decode('utf-8')
    except UnicodeDecodeError: return None
    text = text.lstrip('\ufeff').replace('\r\n', '\n').replace('\r', '\n').replace('\f', '')
    if not notice_permits(text[:6000]): return None
    if kind != 'prose' and GENERATED.search(text[:1500]): return None
    if kind == 'c' and CPLUSPLUS.search(text): return None
    if kind == 'prose': text = plain_prose(text, path)
    text = re.sub(r'[ \t]+\n', '\n', text).strip('\n') + '\n'
    return text if reads_well(text, kind) else None
