"""What 'bulkmailer bounces parse' finds in a corpus of bounces, against what its makers expect.

    score.py BULKMAILER SOURCE   (the unpacked source distribution of flufl.bounce)

Prints precision and recall; exits 1 if recall is below 0.97, if a recipient is named that nobody expects, or if a delay is
taken for a failure or the other way round.
"""

import ast
import json
import pathlib
import subprocess
import sys

RECALL = 0.97


def expectations(source):
    """File -> (addresses, whether it is only a delay), from the list DETECTORS in the corpus's own tests."""
    tree = ast.parse((source / 'tests' / 'test_detectors.py').read_text())
    lists = [node.value for node in tree.body if isinstance(node, ast.Assign) and node.targets[0].id == 'DETECTORS']
    expected = {}
    for _, file, addresses, delayed in ast.literal_eval(lists[0]):
        found, _ = expected.setdefault(file, (set(), delayed))
        found.update(address.decode().lower() for address in addresses)
    return expected


def readings(program, folder, files):
    """File -> {address: action}."""
    paths = [str(folder / file) for file in files]
    out = subprocess.run([program, 'bounces', 'parse', *paths], check=True, capture_output=True, text=True).stdout
    found = {}
    for line in map(json.loads, out.splitlines()):
        reports = line['reports'] if line['kind'] == 'bounce' else []
        found[pathlib.Path(line['file']).name] = {r['recipient'].lower(): r['action'] for r in reports}
    return found


def main(program, source):
    source = pathlib.Path(source)
    expected = expectations(source)
    # Samples that no detector is tried on: nobody knows what they should give, but for these, which name nobody.
    expected.setdefault('dumbass_01.txt', (set(), False))
    found = readings(program, source / 'tests' / 'data', sorted(expected))
    hits = misses = false = wrong = 0
    for file, (addresses, delayed) in sorted(expected.items()):
        named = {a: action for a, action in found[file].items() if action in ('failed', 'delayed')}
        for address in sorted(addresses - named.keys()):
            misses += 1
            print(f'  not found: {file}: {address}')
        for address in sorted(named.keys() - addresses):
            false += 1
            print(f'  nobody expects: {file}: {address}')
        for address in sorted(addresses & named.keys()):
            hits += 1
            if (named[address] == 'delayed') != delayed:
                wrong += 1
                print(f'  {file}: {address} is {named[address]}, which is wrong')
    recall, precision = hits / (hits + misses), hits / (hits + false)
    print(f'  {len(expected)} messages, {hits + misses} recipients: recall {recall:.3f}, precision {precision:.3f}, '
          f'{wrong} delays and failures taken for one another')
    return recall < RECALL or false > 0 or wrong > 0


if __name__ == '__main__':
    sys.exit(main(*sys.argv[1:]))
