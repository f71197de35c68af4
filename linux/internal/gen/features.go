package main

import (
	"fmt"
	"strings"
)

func emitFeatures(f *facts) (string, error) {
	var consts, rows strings.Builder
	known := map[string]bool{}
	for _, r := range f.limits.Rows {
		name, ok := featureNames[r.Feature]
		if !ok {
			if r.Group == "limit" {
				continue // a constant, or a Limit
			}
			return "", fmt.Errorf("feature %q has no name: give it one in featureNames", r.Feature)
		}
		known[r.Feature] = true
		if name == "" {
			continue
		}
		fmt.Fprintf(&consts, "%s // %s\n", name, r.Feature)
		fmt.Fprintf(&rows, "%s: {%q, %s, %v},\n", name, r.Feature, version(r.Since), r.Confidence == "high")
	}
	for feature := range featureNames {
		if !known[feature] {
			return "", fmt.Errorf("no feature %q in the facts", feature)
		}
	}
	first, rest, _ := strings.Cut(consts.String(), " ")
	return "// A Feature is something that some releases know and others do not.\ntype Feature uint8\n\nconst (\n" +
		first + " Feature = iota " + rest + ")\n\nvar features = [...]FeatureInfo{\n" + rows.String() + "}\n", nil
}
