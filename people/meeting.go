package people

import "github.com/millrace/millrace/people/identity"

// Dictionary identity has one number for an id of a project, see its comment, so ids of two projects may meet in it: then it has the one of the lower project only, and the other counts as a
// person of its own wherever the dictionary is asked. By chance that hardly happens. But the hash of an id can be chosen by whoever chooses the id, and what has been done on purpose
// should not go unseen.

// dictionaryKey is the key of an id in the dictionary.
func dictionaryKey(k identity.Key) uint64 { return k.H ^ intHash64(uint64(k.Project)) }

// intHash64 is the server's function of that name.
func intHash64(x uint64) uint64 {
	x ^= 0x4cf2d2baae6da887
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}

// meeting is an id that is in the dictionary, and one that is not because of it.
type meeting struct{ kept, lost identity.Key }

// meetings finds the ids of other projects that an id, which has come to a person of another id, meets. The caller holds mu.
func (l *Leader) meetings(k identity.Key, found []meeting) []meeting {
	at := dictionaryKey(k)
	for project := range l.projects {
		other := identity.Key{Project: project, H: at ^ intHash64(uint64(project))}
		switch {
		case project == k.Project || l.graph.Person(other) == other.H:
		case project < k.Project:
			found = append(found, meeting{kept: other, lost: k})
		default:
			found = append(found, meeting{kept: k, lost: other})
		}
	}
	return found
}
