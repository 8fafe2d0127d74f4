package schema

// AddressPolicy is what becomes of the address that an event came from, once country and city were looked up. It belongs to the key that the event was sent with.
type AddressPolicy uint8

// The policies.
const (
	KeepAddress     AddressPolicy = iota // as it is
	TruncateAddress                      // its first 24 bits (IPv4) or 48 bits (IPv6)
	HashAddress                          // a keyed hash that changes every day
	DropAddress                          // none
	numAddressPolicies
)

var addressPolicies = [numAddressPolicies]string{"keep", "truncate", "hash", "drop"}

// String returns the word that stands in settings.
func (p AddressPolicy) String() string { return addressPolicies[p] }

// ParseAddressPolicy finds the policy named by word.
func ParseAddressPolicy(word string) (AddressPolicy, bool) {
	for i, w := range addressPolicies {
		if w == word {
			return AddressPolicy(i), true
		}
	}
	return KeepAddress, false
}
