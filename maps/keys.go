package maps

import "slices"

// nextOf is NextKey of a list of keys.
func nextOf(keys []string, key []byte) ([]byte, error) {
	i := 0
	if key != nil {
		i = slices.Index(keys, string(key)) + 1 // the first one after one that is not there
	}
	if i == len(keys) {
		return nil, ErrKeyNotExist
	}
	return []byte(keys[i]), nil
}

// without takes a key out of a list.
func without(keys []string, key string) []string {
	if i := slices.Index(keys, key); i >= 0 {
		return slices.Delete(keys, i, i+1)
	}
	return keys
}

// errnoOrNil is nil for 0, unlike the Errno 0.
func errnoOrNil(e Errno) error {
	if e == 0 {
		return nil
	}
	return e
}
