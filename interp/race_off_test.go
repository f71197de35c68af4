//go:build !race

package interp_test

// racing tells that the race detector is off.
const racing = false
