package keys

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// minAdoptedLen keeps out words, and what is soon guessed. The keys of the SDK families are longer.
const minAdoptedLen = 16

// Adopt makes a key of a text that clients send already, so that they go on sending it. k says what for, as with Create; an adopted key sends events and can do nothing
// else, so k.Scopes must be Ingest. The text has 16 to 256 bytes of printable UTF-8 without white space, is no key of this program's own making, is not the development
// key, and is not adopted yet, by whatever project; else the error is ErrBadKey. Only its hash is kept, and no error shows it. The result is the id of the key. Durable
// and valid when it returns, as with Create.
func (s *Store) Adopt(k Key, text Secret) (id string, err error) {
	if err := k.check(); err != nil {
		return "", err
	}
	if k.Scopes != Ingest {
		return "", fmt.Errorf("%w: an adopted key stands in web pages and apps, so it gets scope ingest only, not %s: create another key for that", ErrBadKey, k.Scopes)
	}
	if err := checkAdopted(text.Reveal()); err != nil {
		return "", fmt.Errorf("%w: the text to adopt %w", ErrBadKey, err)
	}
	if strings.Contains(k.Name, text.Reveal()) {
		return "", fmt.Errorf("%w: its name contains the text to adopt, and names are shown: choose another name", ErrBadKey)
	}
	if s.dev.matches([]byte(text.Reveal())) {
		return "", fmt.Errorf("%w: the text to adopt is the development key, which may do everything: adopt another", ErrBadKey)
	}
	made, err := s.add(k, sha256.Sum256([]byte(text.Reveal())), true)
	if err != nil {
		return "", err
	}
	return string(made[:]), nil
}

// checkAdopted accepts what clients can send and no other kind of key looks like. The error shows nothing of the text.
func checkAdopted(text string) error {
	if n := len(text); n < minAdoptedLen {
		return fmt.Errorf("has %d bytes, fewer than %d, so it could be guessed: create a key instead of adopting one", n, minAdoptedLen)
	} else if n > maxLen {
		return fmt.Errorf("has %d bytes, more than the %d a key may have: create a key instead of adopting one", n, maxLen)
	}
	for _, p := range [...]string{prefix, ownPrefix} {
		if strings.HasPrefix(text, p) {
			return fmt.Errorf("begins with %s, as the keys made here do: give the key of the other system", p)
		}
	}
	if !utf8.ValidString(text) {
		return errors.New("is not UTF-8: give the key as clients send it")
	}
	for _, r := range text {
		if unicode.IsSpace(r) {
			return errors.New("contains white space: give the key alone, as clients send it")
		}
		if !unicode.IsPrint(r) {
			return errors.New("contains characters that cannot be seen: give the key alone, as clients send it")
		}
	}
	return nil
}

// adopted finds the key that was made of this text. Time tells nothing of the keys there are: every text costs one hash of its own length and one look into the map, whose
// place for it follows from the hash and a seed of this process. Where comparing two hashes stops could show only how far they agree, and nobody can choose a text by
// what its SHA-256 begins with, short of trying 256 times as many for each byte more. Who tries texts learns from the answer itself whether one is a key.
func (s *snapshot) adopted(text []byte) (Key, bool) {
	k, ok := s.byText[sha256.Sum256(text)]
	return k, ok
}

// clash is the error of a development key whose text is adopted: what a web page shows must not open everything.
func (s *snapshot) clash(dev *devKey) error {
	if dev == nil {
		return nil
	}
	if k, ok := s.byText[dev.hash]; ok {
		return fmt.Errorf("%w: its text is that of the adopted key %s too, which anybody may know: set %s to another text, or remove the file dev-key from the data directory to get a new one",
			ErrDevKey, k.ID, DevKeyEnv)
	}
	return nil
}
