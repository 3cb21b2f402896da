// Package conf reads the configuration: one typed option per key, with Flink's names and defaults where Flink has the
// key. It is the only importer of viper.
//
// A value comes from, last one wins: the option's default, the file in FLINK_CONF_DIR (config.yaml, nested, or
// flink-conf.yaml, flat), the environment (FLINKGO_REST_PORT for rest.port), and -D flags. Load reads them all,
// checks every value and every contradiction between values, and returns either a Config or all faults at once, each
// with its place, key, value and what was expected. Every value remembers where it came from (Config.Show).
//
// A Config is read-only after Load: any goroutine may use it. Read option.go for what an option is, options.go for the
// options that are in force, known.go for Flink's keys that have no effect here, load.go for the layers.
package conf
