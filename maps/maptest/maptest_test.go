package maptest_test

import (
	"testing"

	"github.com/skepbpf/skep/maps/maptest"
)

func TestAll(t *testing.T) { maptest.Run(t, maptest.Specs()...) }
