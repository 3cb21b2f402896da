package graph

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
)

// ComputeHash sets Hash to the SHA-256 of all that a worker's graph must agree in: vertices and configuration,
// not name, id or program.
func (g *JobGraph) ComputeHash() {
	b, err := json.Marshal(struct {
		Version  int
		Config   JobConfig
		Vertices []JobVertex
	}{g.Version, g.Config, g.Vertices})
	if err != nil {
		// Plain values only: the encoder cannot fail, except on a float that is not a number, which Validate refuses.
		panic(fmt.Errorf("hash job graph %s: %w", g.ID, err))
	}
	sum := sha256.Sum256(b)
	g.Hash = hex.EncodeToString(sum[:])
}
