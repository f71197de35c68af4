// Package explain says in plain words why a verifier refused a program and what would help. It goes by skep's code
// of the refusal where that says enough, and otherwise by the kernel's message, which is as stable.
package explain

import "regexp"

// A Text is an explanation. Why and Help may be empty where nothing is known beyond the message.
type Text struct {
	Why  string // what the verifier could not show, and why that matters
	Help string // what would make the program acceptable
}

// A rule explains the refusals of one code, or of one form of message.
type rule struct {
	code    string
	message *regexp.Regexp // nil: the code alone decides
	text    Text
}

// Of explains a refusal by its code ("" if unknown) and the kernel's message. Rules are in order: the first that fits
// counts, and one for the message counts more than one for the code.
func Of(code, message string) Text {
	for i := range rules {
		if r := &rules[i]; r.message != nil && r.message.MatchString(message) {
			return r.text
		}
	}
	for i := range rules {
		if r := &rules[i]; r.message == nil && code != "" && r.code == code {
			return r.text
		}
	}
	return Text{}
}

// says makes the rule for messages that match an expression.
func says(expr, why, help string) rule {
	return rule{message: regexp.MustCompile(expr), text: Text{why, help}}
}

// code makes the rule for a code.
func code(name, why, help string) rule { return rule{code: name, text: Text{why, help}} }

// rules are all rules, those for memory first because they are met most.
var rules = concat(memoryRules, callRules, flowRules)

func concat(parts ...[]rule) []rule {
	var out []rule
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}
