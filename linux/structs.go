package linux

// A StructInfo is the layout of a struct as programs see it.
type StructInfo struct {
	Name   string
	Size   int
	Fields []StructField // by offset; members of a union share theirs
}

// A StructField is one member.
type StructField struct {
	Name      string
	Off, Size int
	Type      string // as C spells it
}

// Struct returns the layout of a UAPI struct ("__sk_buff", "xdp_md", "bpf_sock_addr"); nil if the tables do not have it.
func Struct(name string) *StructInfo {
	for i := range structs {
		if structs[i].Name == name {
			return &structs[i]
		}
	}
	return nil
}

// Field returns the member of that name; nil if there is none.
func (s *StructInfo) Field(name string) *StructField {
	for i := range s.Fields {
		if s.Fields[i].Name == name {
			return &s.Fields[i]
		}
	}
	return nil
}

// FieldAt returns the first member that holds the byte at off; nil if there is none.
func (s *StructInfo) FieldAt(off int) *StructField {
	for i := range s.Fields {
		if f := &s.Fields[i]; f.Off <= off && off < f.Off+f.Size {
			return f
		}
	}
	return nil
}
