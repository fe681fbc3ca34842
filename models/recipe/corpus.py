#!/usr/bin/env python3
"""Build a corpus of permissively licensed code and documentation from fetched Debian packages.

    corpus.py LIST SRC OUT [--target py=160,c=120,prose=120] [--cap 0.12]

LIST and SRC: as fetch.sh has them.  --target names the classes to take, with the megabytes of each that are kept.
OUT gets

    train/CLASS/PACKAGE/PATH   one document a file, as is after cleaning; val/ likewise, from packages that are held out
    sample.txt                 what the tokenizer is trained on
    manifest.jsonl             a line a document: package, version, path, class, split, bytes, sha256, licence
    packages.tsv               a line a package, split and class: version, licence, where that is stated, files, bytes
    archives.tsv               what was read: package, version, archive, bytes, sha256

The result is a function of the archives, the list and the options.
"""
import argparse
import collections
import hashlib
import json
import multiprocessing
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zlib

sys.dont_write_bytecode = True
from clean import TEST, class_of, clean, stored_name  # noqa: E402
from licences import Copyright, permissive  # noqa: E402

SAMPLE_SHARE = 0.125        # of the target: 50 MB of 400 train the tokenizer
COPYRIGHT = re.compile(r'^(debian|usr/share/doc/[^/]*)/copyright$')
Package = collections.namedtuple('Package', 'name version classes licence split archives')


def packages(list_path, src, wanted):
    """The packages of the list that are there, held-out ones first: what later ones share with them is dropped."""
    out = []
    for line in open(list_path):
        if not line.strip() or line.startswith('#'): continue
        kind, name, version, classes, licence, hold = (line.split() + [''])[:6]
        folder = f'{src}/{name}_{version}'
        if not os.path.exists(f'{folder}/SHA256'): continue
        archives = [(f'{folder}/{f}', sha) for sha, f in (x.split() for x in open(f'{folder}/SHA256'))]
        kinds, split = sorted(set(classes.split(',')) & wanted), 'val' if hold else 'train'
        if kinds: out.append(Package(name, version, kinds, licence, split, archives))
    return sorted(out, key=lambda p: p.split == 'train')


def members(archive):
    """(path without its first folder, function that reads it) of the files of a tarball or a .deb."""
    child = None
    if archive.endswith('.deb'):
        child = subprocess.Popen(['dpkg-deb', '--fsys-tarfile', archive], stdout=subprocess.PIPE)
        tar = tarfile.open(fileobj=child.stdout, mode='r|')
    else:
        tar = tarfile.open(archive, 'r|*')
    with tar:
        for m in tar:
            path = m.name.removeprefix('./')
            path = path.removeprefix('usr/lib/python3/dist-packages/') if child else path.partition('/')[2]
            if m.isfile() and m.size <= 700_000 and path and '..' not in path.split('/') and path[0] != '/':
                yield path, lambda m=m: tar.extractfile(m).read()
    if child: child.wait()


def read_package(p):
    """(documents {class: [(path, licence, text)]}, licence, where it is stated, complaint or None)."""
    docs, stated, raw = collections.defaultdict(dict), Copyright(), []
    try:
        for archive, _ in p.archives:
            for path, read in members(archive):
                if '.debian.tar.' in archive: path = 'debian/' + path
                if COPYRIGHT.search(path): stated = Copyright(read().decode('utf-8', 'replace'))
                if path.startswith('debian/'): continue
                bare = path.removesuffix('.gz').removesuffix('.in')
                kind = class_of(bare)
                if kind not in p.classes or TEST.search(path) and zlib.crc32(path.encode()) % 4: continue
                data = read()
                if path.endswith('.gz'): data = zlib.decompress(data, 31)
                text = clean(data, kind, bare)
                if text: raw.append((kind, path, text))
    except (EOFError, tarfile.TarError, OSError, zlib.error) as e:
        return {}, '', '', f'{p.name}: not read to its end: {e}'
    licence, where = stated.main(), 'copyright'
    if not licence: licence, where = p.licence, 'list'
    if not permissive(licence): return {}, licence, where, f'{p.name}: left out, its licence is {licence}'
    for kind, path, text in raw:
        own = stated.of(path) or licence
        if permissive(own): docs[kind].setdefault(stored_name(path, kind), (path, own, text))
    shuffled = {k: sorted(v.values(), key=lambda d: (zlib.crc32(d[0].encode()), d[0])) for k, v in docs.items()}
    return shuffled, licence, where, None


class Seen:
    """Documents met: by digest, and by every fourth run of five lines.  A text is a near duplicate if half of its runs
    are known; of held-out texts it may share a fifth."""

    def __init__(self):
        self.digests, self.runs, self.held = set(), set(), set()

    def add(self, text, digest, held):
        """False: a duplicate."""
        if digest in self.digests: return False
        lines = [x for x in map(str.strip, text.split('\n')) if len(x) > 3]
        runs = {zlib.crc32('\n'.join(lines[i:i + 5]).encode()) for i in range(max(len(lines) - 4, 1))}
        runs = {h for h in runs if h % 4 == 0}
        if len(runs & self.runs) > 0.5 * len(runs) or not held and len(runs & self.held) > 0.2 * len(runs): return False
        self.digests.add(digest)
        self.runs |= runs
        if held: self.held |= runs
        return True


def gather(listed, out, target, cap):
    """Write what is new, package after package; rows of the manifest and of the packages."""
    seen, rows, table = {k: Seen() for k in target}, [], {}
    with multiprocessing.Pool() as pool:
        for p, (docs, licence, where, complaint) in zip(listed, pool.imap(read_package, listed)):
            if complaint: print('corpus.py:', complaint, file=sys.stderr)
            for kind in sorted(docs):
                size = 0
                for path, own, text in docs[kind]:
                    data = text.encode()
                    digest = hashlib.sha256(data).hexdigest()
                    if size + len(data) > cap * target[kind]: continue
                    if not seen[kind].add(text, digest, p.split == 'val'): continue
                    file = f'{out}/{p.split}/{kind}/{p.name}/{stored_name(path, kind)}'
                    os.makedirs(os.path.dirname(file), exist_ok=True)
                    with open(file, 'xb') as f: f.write(data)
                    size += len(data)
                    rows.append({'package': p.name, 'version': p.version, 'path': path, 'class': kind, 'split': p.split,
                                 'bytes': len(data), 'sha256': digest, 'licence': own})
                table[p.name, p.split, kind] = (p.version, licence, where)
    return rows, table


def draw(digest):
    """A number of [0, 1) that a document always draws."""
    return int(digest[:8], 16) / 2 ** 32


def file_of(out, r):
    return f'{out}/{r["split"]}/{r["class"]}/{r["package"]}/{stored_name(r["path"], r["class"])}'


def thin(rows, out, target):
    """Drop training documents, by their digest, of classes that came out above their target."""
    have, kept = collections.Counter(), []
    for r in rows: have[r['class']] += r['bytes'] * (r['split'] == 'train')
    for r in rows:
        if r['split'] == 'val' or draw(r['sha256']) * have[r['class']] < target[r['class']]: kept.append(r)
        else: os.remove(file_of(out, r))
    return kept


def write_sample(rows, out, target):
    """Each class in its share of the target, documents drawn by the other end of their digest."""
    size = collections.Counter()
    with open(f'{out}/sample.txt', 'wb') as f:
        for r in sorted((r for r in rows if r['split'] == 'train'), key=lambda r: r['sha256'][::-1]):
            if size[r['class']] > SAMPLE_SHARE * target[r['class']]: continue
            f.write(open(file_of(out, r), 'rb').read())
            size[r['class']] += r['bytes']


def write_tables(rows, table, listed, out):
    sums = collections.defaultdict(lambda: [0, 0])
    with open(f'{out}/manifest.jsonl', 'w') as f:
        for r in rows:
            print(json.dumps(r), file=f)
            total = sums[r['package'], r['split'], r['class']]
            total[0] += 1
            total[1] += r['bytes']
    with open(f'{out}/packages.tsv', 'w') as f:
        print('package', 'version', 'licence', 'stated in', 'split', 'class', 'files', 'bytes', sep='\t', file=f)
        for key, (files, size) in sums.items():
            version, licence, where = table[key]
            print(key[0], version, licence, where, key[1], key[2], files, size, sep='\t', file=f)
    with open(f'{out}/archives.tsv', 'w') as f:
        print('package', 'version', 'archive', 'bytes', 'sha256', sep='\t', file=f)
        for p in listed:
            for archive, sha in p.archives:
                print(p.name, p.version, os.path.basename(archive), os.path.getsize(archive), sha, sep='\t', file=f)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument('list')
    ap.add_argument('src')
    ap.add_argument('out')
    ap.add_argument('--target', default='py=160,c=120,prose=120', help='megabytes of training text by class')
    ap.add_argument('--cap', type=float, default=0.12, help='largest share of a class that one package may have')
    a = ap.parse_args()
    target = {k: float(v) * 1e6 for k, v in (x.split('=') for x in a.target.split(','))}
    listed, new = packages(a.list, a.src, set(target)), f'{a.out}.new'
    shutil.rmtree(new, ignore_errors=True)
    os.makedirs(new)
    rows, table = gather(listed, new, target, a.cap)
    rows = thin(rows, new, target)
    write_sample(rows, new, target)
    write_tables(rows, table, listed, new)
    shutil.rmtree(a.out, ignore_errors=True)
    os.rename(new, a.out)
    total = collections.Counter()
    for r in rows: total[r['split'], r['class']] += r['bytes']
    for (split, kind), size in sorted(total.items()): print(f'{split}\t{kind}\t{size / 1e6:.1f} MB')


if __name__ == '__main__':
    main()
