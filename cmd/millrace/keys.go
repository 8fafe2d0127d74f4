package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/cmd/internal/config"
	"github.com/millrace/millrace/cmd/internal/keys"
	"github.com/millrace/millrace/cmd/internal/logging"
	"github.com/millrace/millrace/schema"
)

func newKeys() *cobra.Command {
	cmd := &cobra.Command{Use: "keys", Short: "Make keys"}
	cmd.AddCommand(newKeysCreate())
	return cmd
}

func newKeysCreate() *cobra.Command {
	var f keyFlags
	cmd := &cobra.Command{
		Use:   "create NAME",
		Short: "Make a key and print it once; only its hash is kept",
		Long: `Makes a key, adds its hash to DATA/keys.yaml and prints it. It cannot be shown again. A running server takes it when it is
started the next time.

A key with scope ingest sends events: it may be public, as those in web pages are. One with scope query sends none: it asks questions and reads all events of its project (POST /v1/query/…): keep it secret. One with scope manage declares segments and erases people: keep it safer still.

--dialect names the SDK family of the key's clients. Most requests tell by their path and body which family they are of. The rest are on a path that several families share (/batch: Segment, PostHog and Amplitude; /track: PostHog and Mixpanel) and have a body that more than one of them could have sent: then the key's dialect decides. It changes nothing else: clients of other families may use the key all the same.

--address says what becomes of the address that an event came from, after country and city were looked up: keep stores it, truncate stores its first 24 bits (IPv6: 48), hash stores a keyed hash that is another one every day, drop stores none.

--adopt takes a key that another system made and apps in the field send already: a PostHog token (phc_…), a Segment or RudderStack write key, an Amplitude API key, a Mixpanel token, a Jitsu id:secret. Then they need a new address and no new key. It is 16 to 256 printable characters without white space; its hash is kept, and its id is printed instead of it. Give it with --adopt - on the standard input: words of a command end up in the shell's history and in lists of processes. An adopted key is as strong as its text: keys made here carry 160 random bits, those of others may have fewer, and those in web pages are known to everybody. So it has scope ingest and no other. A text is adopted once, for one project.`,
		Example: `  millrace keys create "web shop" --project 2 --env prod
  millrace keys create "reports" --project 2 --scope query
  millrace keys create "apps with PostHog" --dialect posthog --address truncate
  millrace keys create "shop, from Segment" --dialect segment --adopt - < write-key.txt`,
		Args: cobra.ExactArgs(1),
	}
	s := addSettings(cmd)
	f.add(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		key, err := f.key(args[0])
		if err != nil {
			return usageError{err}
		}
		c, _, err := s.load()
		if err != nil {
			return err
		}
		shown, err := f.make(cmd, c, key)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(cmd.OutOrStdout(), shown)
		return err
	}
	return cmd
}

// keyFlags are what keys create is told of the key.
type keyFlags struct {
	project              uint32
	env                  string
	scope                []string
	dialect, address     string
	adopt                string
	hasDialect, hasAdopt func() bool
}

func (f *keyFlags) add(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.Uint32Var(&f.project, "project", 1, "the number of the project that owns the events")
	fs.StringVar(&f.env, "env", "prod", "environment, part of the key's text")
	fs.StringSliceVar(&f.scope, "scope", []string{keys.Ingest.String()}, "what the key may be used for: ingest (send events), query (ask questions), manage (declare segments, erase people); several with commas")
	fs.StringVar(&f.dialect, "dialect", "", "SDK family of the key's clients, which decides where path and body fit several: native, segment (RudderStack and Jitsu too), posthog, amplitude or mixpanel")
	fs.StringVar(&f.address, "address", schema.KeepAddress.String(), "what becomes of client addresses: keep, truncate, hash or drop")
	fs.StringVar(&f.adopt, "adopt", "", "take this key, which clients send already, instead of making one; - reads it from the standard input")
	f.hasDialect = func() bool { return fs.Changed("dialect") }
	f.hasAdopt = func() bool { return fs.Changed("adopt") }
}

// key is what the flags say, without the text to adopt.
func (f *keyFlags) key(name string) (k keys.Key, err error) {
	k = keys.Key{Name: name, Project: f.project, Env: f.env, HasDialect: f.hasDialect()}
	var errs [3]error
	k.Scopes, errs[0] = keys.ParseScopes(f.scope)
	if k.HasDialect {
		k.Dialect, errs[1] = keys.ParseDialect(f.dialect)
	}
	k.Address, errs[2] = keys.ParseAddress(f.address)
	return k, errors.Join(errs[:]...)
}

// make makes the key and returns what to print: the key itself, or the id of an adopted one.
func (f *keyFlags) make(cmd *cobra.Command, c config.Config, key keys.Key) (string, error) {
	store, err := keys.Open(c.Data, c.Profile, "")
	if err != nil {
		return "", err
	}
	if !f.hasAdopt() {
		secret, err := store.Create(key)
		return secret.Reveal(), err
	}
	if in, ok := cmd.InOrStdin().(*os.File); ok && f.adopt == "-" && logging.IsTerminal(in) {
		cmd.PrintErrln("Enter the key to adopt, then Ctrl-D on a line of its own.")
	}
	text, err := f.adopted(cmd.InOrStdin())
	if err != nil {
		return "", err
	}
	// A server takes the variable for its development key with other profiles, too, and would not start next time.
	if text.Reveal() == os.Getenv(keys.DevKeyEnv) && !text.Empty() {
		return "", usageError{fmt.Errorf("the text to adopt is that of %s, which may do everything: adopt another text", keys.DevKeyEnv)}
	}
	return store.Adopt(key, text)
}

// maxAdoptInput is how much is read of the standard input: more than any key has, so that Adopt sees that it is too much.
const maxAdoptInput = 1 << 10

// adopted is the text to adopt. No error names it.
func (f *keyFlags) adopted(in io.Reader) (keys.Secret, error) {
	if f.adopt != "-" {
		return keys.NewSecret(f.adopt), nil
	}
	text, err := io.ReadAll(io.LimitReader(in, maxAdoptInput))
	if err != nil {
		return keys.Secret{}, fmt.Errorf("read the key to adopt from the standard input: %w", err)
	}
	line := strings.TrimSuffix(string(text), "\n")
	return keys.NewSecret(strings.TrimSuffix(line, "\r")), nil
}
