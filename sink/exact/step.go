package exact

// Step names a point of the protocol. Failpoints and counters go by it.
type Step string

// The steps of a block.
const (
	BeforeIntent Step = "before-intent"
	AfterIntent  Step = "after-intent"
	MidSend      Step = "mid-send" // of the Port: some of the block has been sent
	AfterSend    Step = "after-send"
	BeforeCommit Step = "before-commit" // of a commit that only confirms
	AfterCommit  Step = "after-commit"
)

// The steps of a takeover and of a recovery, numbered as in the package comment.
const (
	TakeoverStart    Step = "takeover-start"
	TakeoverSameLog  Step = "takeover-same-log"
	TakeoverRowsLost Step = "takeover-rows-lost"
	TakeoverBehind   Step = "takeover-behind"
	TakeoverPending  Step = "takeover-pending"
	RecoverKill      Step = "recover-kill"      // R1
	RecoverRead      Step = "recover-read"      // R2
	RecoverInsert    Step = "recover-insert"    // R3
	RecoverVerify    Step = "recover-verify"    // R4
	RecoverMissing   Step = "recover-missing"   // R5: rows are missing, the intent is about to be committed again
	RecoverAttach    Step = "recover-attach"    // R5: staged and checked, about to be attached
	RecoverSurplus   Step = "recover-surplus"   // R6
	RecoverAudit     Step = "recover-audit"     // R7
	BisectCut        Step = "bisect-cut"        // an INSERT is about to be halved
	BisectQuarantine Step = "bisect-quarantine" // a row is about to be given up
)
