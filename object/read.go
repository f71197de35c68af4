package object

import (
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"regexp"
	"strconv"
	"strings"

	"github.com/cilium/ebpf"
)

// Bounds of what an object may ask for, so that a small file cannot take much memory. Real objects stay far below:
// Linux makes no data section larger than 4 MiB, and the types of a whole kernel take 5 to 20 MiB.
const (
	maxData  = 64 << 20 // bytes of sections that are not in the file, or compressed
	maxTypes = 64 << 20 // bytes of .BTF, and of .BTF.ext
)

// ReadSpec parses an object as ebpf.LoadCollectionSpecFromReader does, after a check that it does not ask for more memory
// than objects do, and with errors of this package.
func ReadSpec(r io.ReaderAt) (*ebpf.CollectionSpec, error) {
	spec, err := readSpec(r)
	if err != nil {
		return nil, named("", err)
	}
	return spec, nil
}

// readSpec parses an object.
func readSpec(r io.ReaderAt) (spec *ebpf.CollectionSpec, err error) {
	defer recovered(&err, "parsing it")
	f, err := elf.NewFile(r)
	if path := (*fs.PathError)(nil); errors.As(err, &path) {
		return nil, err // it could not be read
	}
	if err != nil {
		return nil, &MalformedError{Err: err}
	}
	if err := checkSections(r, f); err != nil {
		return nil, err
	}
	spec, err = ebpf.LoadCollectionSpecFromReader(r)
	if err != nil {
		return nil, classify(f, err)
	}
	return spec, nil
}

// checkSections refuses what would take too much memory, and says of what kind an object is that is none of ours.
func checkSections(r io.ReaderAt, f *elf.File) error {
	switch {
	case f.Machine != elf.EM_BPF && f.Machine != elf.EM_NONE: // old compilers wrote EM_NONE
		return &MalformedError{Err: fmt.Errorf("it is for %v, not for BPF", f.Machine)}
	case f.Data != elf.ELFDATA2LSB:
		return &UnsupportedError{Cause: "a big-endian object"}
	}
	var data uint64
	for _, s := range f.Sections {
		if (s.Name == ".BTF" || s.Name == ".BTF.ext") && s.Size > maxTypes {
			return &MalformedError{Err: fmt.Errorf("section %s has %d bytes", s.Name, s.Size)}
		}
		if s.Type == elf.SHT_NOBITS || s.Flags&elf.SHF_COMPRESSED != 0 || isData(s.Name) {
			if data += s.Size; s.Size > maxData || data > maxData {
				return &MalformedError{Err: fmt.Errorf("section %s has %d bytes, too many", s.Name, s.Size)}
			}
		}
		// The parser makes room for as many instructions as a section claims to have.
		if s.Type != elf.SHT_NOBITS && s.Type != elf.SHT_NULL && !inside(r, s.Offset, s.FileSize) {
			return &MalformedError{Err: fmt.Errorf("section %s, %d bytes at %d, exceeds the file", s.Name, s.FileSize, s.Offset)}
		}
	}
	return nil
}

// inside tells that a file has that many bytes at an offset.
func inside(r io.ReaderAt, off, size uint64) bool {
	if size == 0 {
		return true
	}
	if off > math.MaxInt64-size {
		return false
	}
	var last [1]byte
	n, _ := r.ReadAt(last[:], int64(off+size-1))
	return n == 1
}

// unsupported are what cilium/ebpf does not load, by how it says so. A part in parentheses is put into the cause.
var unsupported = []struct {
	says  *regexp.Regexp
	cause string
}{
	{regexp.MustCompile(`got '\.struct_ops' section`), "section .struct_ops (use .struct_ops.link)"},
	{regexp.MustCompile(`reference to "(.*)" in section`), "a reference to %q in a section that is not for data"},
	{regexp.MustCompile(`expected (\S+) to be \*Void`), "a kernel variable with a type (%s)"},
	{regexp.MustCompile(`unrecognized field (\S+) in BTF map definition`), "field %s of a map definition"},
	{regexp.MustCompile(`nested inner maps`), "a map of maps of maps"},
	{regexp.MustCompile(`initializing BTF map definitions`), "a map definition with a value"},
	{regexp.MustCompile(`erroneous static qualifier on map`), "a static map"},
	{regexp.MustCompile(`map "(.*)": unsupported binding`), "a map that is not global (%s)"},
	{regexp.MustCompile(`load: (\S+): unsupported binding`), "a pointer to a weak function (%s)"},
	{regexp.MustCompile(`asm relocation: (\S+): unsupported binding`), "a weak .kconfig variable (%s)"},
	{regexp.MustCompile(`duplicate program name (\S+)`), "two functions of one name (%s)"},
	{regexp.MustCompile(`compressed (.*) is not supported`), "a compressed section (%s)"},
}

var sectionNumber = regexp.MustCompile(`in section SHN_UNDEF\+(\d+)`)

// classify tells what is not supported from what is malformed.
func classify(f *elf.File, err error) error {
	text := err.Error()
	for _, u := range unsupported {
		m := u.says.FindStringSubmatch(text)
		if m == nil {
			continue
		}
		cause := u.cause
		if strings.Contains(cause, "%") {
			cause = fmt.Sprintf(cause, m[1])
		}
		if m := sectionNumber.FindStringSubmatch(text); m != nil {
			if n, err := strconv.Atoi(m[1]); err == nil && n < len(f.Sections) {
				cause += ": " + f.Sections[n].Name
			}
		}
		return &UnsupportedError{Cause: cause, Err: err}
	}
	if errors.Is(err, ebpf.ErrNotSupported) {
		return &UnsupportedError{Cause: "something in it", Err: err}
	}
	return &MalformedError{Err: err}
}
