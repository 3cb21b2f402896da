package conf

import _ "embed"

//go:embed flink-conf.yaml
var shipped string

// Shipped is the text of conf/flink-conf.yaml: every key in it is a comment, so it changes no default.
func Shipped() string { return shipped }
