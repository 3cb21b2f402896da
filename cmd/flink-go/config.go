package main

import (
	"encoding/json"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"
)

func newConfig(a *app) *cobra.Command {
	var asJSON, changed bool
	c := &cobra.Command{
		Use:   "config",
		Short: "Print the configuration in force and where each value came from",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			c, err := a.config()
			if err != nil {
				return err
			}
			for _, w := range c.Warnings() {
				_, _ = fmt.Fprintln(a.err, "warning:", w)
			}
			type entry struct {
				Key    string `json:"key"`
				Value  string `json:"value"`
				Origin string `json:"origin"`
			}
			var all []entry
			for _, v := range c.Show() {
				if e := (entry{v.Key, v.Text, v.Origin.String()}); !changed || e.Origin != "default" {
					all = append(all, e)
				}
			}
			if asJSON {
				return json.NewEncoder(a.out).Encode(all)
			}
			w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
			for _, e := range all {
				_, _ = fmt.Fprintf(w, "%s:\t%s\t# %s\n", e.Key, printable(e.Value), e.Origin)
			}
			return w.Flush()
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	c.Flags().BoolVar(&changed, "set", false, "print what was set only, not defaults")
	return c
}
