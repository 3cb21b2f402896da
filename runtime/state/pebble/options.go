package pebble

import (
	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
)

// options are those of one store. State is read and written at random, lives as long as the attempt, and is small
// beside what pebble is made for; docs/design/state-on-disk.md has the measurements.
func (d *Disk) options(fs *faultFS) *pebble.Options {
	o := &pebble.Options{
		FS:                 fs,
		Logger:             logger{d.cfg.Log, fs},
		FormatMajorVersion: pebble.FormatNewest,
		DisableWAL:         true,
		Cache:              d.cache,
		FileCache:          d.files,
		// A table in memory is taken from the cache; two may exist, the second while the first is written.
		MemTableSize:                uint64(min(max(d.cfg.Memory/2/int64(d.cfg.Subtasks)/4, 1<<20), 64<<20)),
		MemTableStopWritesThreshold: 2,
		L0CompactionThreshold:       2,
		L0StopWritesThreshold:       12,
		LBaseMaxBytes:               64 << 20,
		CompactionConcurrencyRange:  func() (lower, upper int) { return 1, 1 },
		DisableTableStats:           true,
		EventListener: &pebble.EventListener{
			BackgroundError: fs.fail,
			DataCorruption:  func(info pebble.DataCorruptionInfo) { fs.fail(info.Details) },
		},
	}
	o.ApplyCompressionSettings(func() pebble.DBCompressionSettings { return pebble.DBCompressionFastest })
	for i := range o.Levels {
		l := &o.Levels[i]
		l.FilterPolicy = bloom.FilterPolicy(10)
		l.BlockSize = 4 << 10 // a read at random decodes one block
	}
	return o
}
