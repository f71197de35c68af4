package prepare

import (
	"bytes"
	"testing"

	"github.com/cilium/ebpf/btf"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/skepbpf/skep/object"
	"github.com/skepbpf/skep/oracle"
)

func TestSignatures(t *testing.T) {
	number := &btf.Int{Name: "int", Size: 4, Encoding: btf.Signed}
	long := &btf.Int{Name: "long", Size: 8}
	pair := &btf.Struct{Name: "pair", Size: 16, Members: []btf.Member{{Name: "a", Type: long}, {Name: "b", Type: long, Offset: 64}}}
	skb := &btf.Struct{Name: "__sk_buff", Size: 192, Members: []btf.Member{{Name: "len", Type: number}}}
	dynptr := &btf.Struct{Name: "bpf_dynptr", Size: 16, Members: []btf.Member{{Name: "a", Type: long}}}
	to := func(t btf.Type) *btf.Pointer { return &btf.Pointer{Target: t} }
	void := &btf.Void{}
	for _, c := range []struct {
		name   string
		arg    btf.Type
		ret    btf.Type
		tags   []string
		want   Arg
		reason string // of a refusal
		errno  int
	}{
		{name: "number", arg: number, want: Arg{Kind: ArgScalar}},
		{name: "typedef of a number", arg: &btf.Typedef{Name: "n", Type: long}, want: Arg{Kind: ArgScalar}},
		{name: "struct by value", arg: pair, errno: einval, reason: "Arg#0 type STRUCT in glob() is not supported yet."},
		{name: "pointer to nothing", arg: to(void), errno: einval, reason: "arg#0 reference type('UNKNOWN ') size cannot be determined: -22"},
		{name: "pointer to an unknown struct", arg: to(&btf.Fwd{Name: "secret"}), errno: einval, reason: "arg#0 reference type('FWD secret') size cannot be determined: -22"},
		{name: "memory", arg: to(pair), want: Arg{Kind: ArgMem, MemSize: 16, MaybeNull: true}},
		{name: "constant memory", arg: to(&btf.Const{Type: pair}), want: Arg{Kind: ArgMem, MemSize: 16, MaybeNull: true}},
		{name: "array", arg: to(&btf.Array{Index: number, Type: long, Nelems: 4}), want: Arg{Kind: ArgMem, MemSize: 32, MaybeNull: true}},
		{name: "memory that is there", arg: to(number), tags: []string{"arg:nonnull"}, want: Arg{Kind: ArgMem, MemSize: 4}},
		{name: "nullable memory", arg: to(number), tags: []string{"arg:nullable"}, errno: einval, reason: "arg#0 has invalid combination of tags"},
		{name: "tagged number", arg: number, tags: []string{"arg:nonnull"}, errno: einval, reason: "arg#0 has pointer tag, but is not a pointer type"},
		{name: "unknown tag", arg: to(number), tags: []string{"arg:odd"}, errno: eopnotsupp, reason: "arg#0 has unsupported set of tags"},
		{name: "other tag", arg: to(number), tags: []string{"odd"}, want: Arg{Kind: ArgMem, MemSize: 4, MaybeNull: true}},
		{name: "context", arg: to(skb), want: Arg{Kind: ArgContext}},
		{name: "tagged context", arg: to(void), tags: []string{"arg:ctx"}, want: Arg{Kind: ArgContext}},
		{name: "wrong context", arg: to(pair), tags: []string{"arg:ctx"}, errno: einval, reason: "arg#0 should be `struct __sk_buff *`"},
		{name: "context that is there", arg: to(skb), tags: []string{"arg:nonnull"}, errno: einval, reason: "arg#0 has invalid combination of tags"},
		{name: "dynptr", arg: to(dynptr), want: Arg{Kind: ArgDynptr}},
		{name: "arena", arg: to(void), tags: []string{"arg:arena"}, want: Arg{Kind: ArgArena}},
		{name: "untrusted memory", arg: to(void), tags: []string{"arg:untrusted"}, want: Arg{Kind: ArgUntrustedMem}},
		{name: "untrusted and more", arg: to(void), tags: []string{"arg:untrusted", "arg:nonnull"}, errno: einval, reason: "arg#0 untrusted cannot be combined with any other tags"},
		{name: "trusted nothing", arg: to(void), tags: []string{"arg:trusted"}, errno: einval, reason: "arg#0 reference type('UNKNOWN (anon)') candidate matching error: -22"},
		{name: "returns nothing", arg: pair, ret: void, errno: einval, reason: "Global function glob() doesn't return scalar. Only those are supported."},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.ret == nil {
				c.ret = number
			}
			w := newWorld(t)
			b, err := btf.NewBuilder(nil, nil)
			require.NoError(t, err)
			mainID, err := b.Add(&btf.Func{Name: "main", Linkage: btf.GlobalFunc,
				Type: &btf.FuncProto{Return: number, Params: []btf.FuncParam{{Name: "ctx", Type: to(skb)}}}})
			require.NoError(t, err)
			id, err := b.Add(&btf.Func{Name: "glob", Linkage: btf.GlobalFunc, ParamTags: [][]string{c.tags},
				Type: &btf.FuncProto{Return: c.ret, Params: []btf.FuncParam{{Name: "a", Type: c.arg}}}})
			require.NoError(t, err)
			raw, err := b.Marshal(nil, nil)
			require.NoError(t, err)
			spec, err := btf.LoadSpecFromReader(bytes.NewReader(raw))
			require.NoError(t, err)
			w.btf = &object.BTF{Raw: raw, Spec: spec}
			p := w.typed(w.program(code(callSub(1), bare, ret0)), 0, uint32(mainID), 2, uint32(id))

			in, f := Prepare(p, Options{})
			require.Nil(t, f)
			assert.Equal(t, &Signature{Known: true, Args: []Arg{{Kind: ArgContext}}}, in.Subprogs[0].Signature)
			sig := in.Subprogs[1].Signature
			assert.Equal(t, c.errno, sig.Errno)
			if c.reason != "" {
				assert.False(t, sig.Known)
				assert.Equal(t, []string{c.reason}, sig.Lines)
			} else {
				assert.Equal(t, []Arg{c.want}, sig.Args)
			}
			if !w.ask(t) {
				return
			}
			r, err := w.oracle.Load(p, oracle.Options{LogLevel: oracle.LogPath})
			require.NoError(t, err)
			r.Close()
			if c.reason != "" {
				assert.Contains(t, r.Log, c.reason+"\n")
			} else {
				assert.NotContains(t, r.Log, "arg#0 has ")
				assert.NotContains(t, r.Log, "arg#0 reference")
			}
		})
	}
}
