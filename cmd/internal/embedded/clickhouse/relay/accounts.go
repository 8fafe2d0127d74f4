package relay

import (
	"crypto/sha256"
	"crypto/subtle"
)

// Accounts are who may log in, by name. It is not changed once the relay runs.
type Accounts map[string]Account

// Account is one of them.
type Account struct {
	AnyPassword  bool // whatever password is sent
	PasswordHash [sha256.Size]byte
}

// admits tells whether the password is that of the user. It takes as long for a user that there is not.
func (a Accounts) admits(user, password string) bool {
	account, known := a[user]
	sum := sha256.Sum256([]byte(password))
	same := subtle.ConstantTimeCompare(sum[:], account.PasswordHash[:]) == 1
	return known && (same || account.AnyPassword)
}
