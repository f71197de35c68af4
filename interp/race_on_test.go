//go:build race

package interp_test

// racing tells that the race detector is on, under which pools forget.
const racing = true
