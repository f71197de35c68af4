package linux

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

// A Version is a Linux release. Versions order as releases do.
type Version uint32

// V is the release major.minor.
func V(major, minor int) Version { return Version(major)<<16 | Version(minor) }

// Major is the first number of the release.
func (v Version) Major() int { return int(v >> 16) }

// Minor is the second number of the release.
func (v Version) Minor() int { return int(v & 0xffff) }

// String returns the release as "6.18".
func (v Version) String() string {
	if v == Never {
		return "never"
	}
	return fmt.Sprintf("%d.%d", v.Major(), v.Minor())
}

// Never is later than every release: the Since of what no release has.
const Never Version = 1<<32 - 1

// ParseVersion reads a release name: "6.18", also with what follows it in uname -r ("6.18.44-arch1").
func ParseVersion(s string) (Version, error) {
	major, rest, ok := strings.Cut(s, ".")
	end := strings.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' })
	if end < 0 {
		end = len(rest)
	}
	a, err1 := strconv.ParseUint(major, 10, 15)
	b, err2 := strconv.ParseUint(rest[:end], 10, 16)
	if !ok || cmp.Or(err1, err2) != nil {
		return 0, fmt.Errorf("%q is no Linux version", s)
	}
	return V(int(a), int(b)), nil
}

// A Kernel is the set of facts about one Linux version and configuration that decide a verdict. It is immutable and
// may be shared. The zero value is not useful: see [For] and [Default].
type Kernel struct {
	Version Version
	Config  Config
}

// A Config is what of a kernel's configuration decides a verdict. The zero value is the configuration of the kernel
// that the tables were probed on: amd64, with its JIT.
type Config struct {
	// NoJIT is set where programs are interpreted: no private stacks, no calls to kernel functions.
	NoJIT bool
	// Extra holds helpers that the probed kernel's configuration left out, such as those of
	// CONFIG_BPF_KPROBE_OVERRIDE, by id.
	Extra HelperSet
	// TrustedArgs is set where all pointers that kernel functions are passed must be trusted, whatever their flags, as
	// from 7.0 on: some builds of 6.18 have that, too.
	TrustedArgs bool
}

// Default is Linux 6.18.
var Default = For(V(6, 18))

// For returns the kernel of a release in the default configuration.
func For(v Version) *Kernel { return &Kernel{Version: v} }

// TrustedArgs reports whether all pointers that kernel functions are passed must be trusted.
func (k *Kernel) TrustedArgs() bool { return k.Config.TrustedArgs || k.Version >= V(7, 0) }

// Has reports whether the kernel knows a feature.
func (k *Kernel) Has(f Feature) bool {
	return int(f) < len(features) && features[f].Since <= k.Version
}
