/** The bundle's README.txt: what it is, and how to check it with nothing but standard tools. Pure. */
import type { ReleaseState } from '../journal/fold.ts';

/** Lines that begin with four spaces are commands, run in the bundle's directory; a test runs them. */
export function renderReadme(state: ReleaseState, keyId: string): string {
  const image = state.image ? `${state.image.name} (${state.image.id})` : 'none was built';
  return `EVIDENCE OF RELEASE ${state.id}

Status:   ${state.status}
Image:    ${image}
Records:  ${state.records}, the last of ${state.lastRecordAt}
Key:      ${keyId}

What is here
  report.html         the story of the release, for reading (no network, no scripts)
  journal.jsonl       every intent and outcome, in order; each line holds the SHA-256 of the line before
  image.json          the image and its lineage, as recorded in the journal
  verdicts.json       what the scans and policies said about it, and who accepted what
  artifacts/          the files the journal names: scan results, bill of materials, tailoring, waivers
  SHA256SUMS          digests of all of these
  manifest.dsse.json  the signed list of all files (in-toto statement in a DSSE envelope, Ed25519)
  public-key.pem      the key it was signed with

The machine image itself is not here; its SHA-256 is in image.json.


How to verify it

With Drover, offline, everything at once:

  drover evidence verify DIRECTORY

Without Drover, with sed, base64, sha256sum and OpenSSL 3, in this directory:

1. The signature. OpenSSL must say "Signature Verified Successfully".

    check=$(mktemp -d)
    sed 's/.*"payload":"\\([^"]*\\)".*/\\1/' manifest.dsse.json | base64 -d > "$check/statement.json"
    sed 's/.*"sig":"\\([^"]*\\)".*/\\1/' manifest.dsse.json | base64 -d > "$check/signature"
    { printf 'DSSEv1 28 application/vnd.in-toto+json %d ' $(wc -c < "$check/statement.json"); cat "$check/statement.json"; } > "$check/signed"
    openssl pkeyutl -verify -pubin -inkey public-key.pem -rawin -in "$check/signed" -sigfile "$check/signature"

2. The files. Every line must end in OK, and the count must be 1: the signed list names this very SHA256SUMS.

    sha256sum --strict -c SHA256SUMS
    grep -c "$(sha256sum SHA256SUMS | cut -d' ' -f1)" "$check/statement.json"

3. The journal's chain. It must say "${state.records} records, unbroken".

    previous=$(printf '%064d' 0); count=0; state=unbroken
    while IFS= read -r line; do case $line in *"\\"previous\\":\\"$previous\\",\\"seq\\":$count,"*) ;; *) state="broken at record $count"; break;; esac; previous=$(printf %s "$line" | sha256sum | cut -d' ' -f1); count=$((count+1)); done < journal.jsonl
    echo "$count records, $state"

4. The key. Its fingerprint must be the one you were given by a way other than this bundle; anybody can make a
   bundle that agrees with itself.

    openssl pkey -pubin -in public-key.pem -outform DER | sha256sum
`;
}
