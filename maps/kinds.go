package maps

// A kind is how maps of one type are made.
type kind struct {
	flags  uint32            // that Spec.Flags may have
	check  func(*Spec) error // sizes; nil if they are all fine
	create func(*common) (impl, error)
}

// kinds are the types that there are. A type is one file with its kind and a line here.
var kinds = [numTypes]*kind{
	Hash:          &hashKind,
	Array:         &arrayKind,
	PerCPUArray:   &perCPUArrayKind,
	PerCPUHash:    &perCPUHashKind,
	LRUHash:       &lruHashKind,
	LRUPerCPUHash: &lruPerCPUHashKind,
}

// Simulated lists the types that New can make.
func Simulated() []Type {
	var types []Type
	for t, k := range kinds {
		if k != nil {
			types = append(types, Type(t))
		}
	}
	return types
}
