package pebble

import (
	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
)

// rowBlocks is the last format of files with their entries one after the other. To read one entry of a block in columns,
// which came next, takes a tenth longer.
const rowBlocks = pebble.FormatFlushableIngestExcises

// options are those of one store. State is read and written at random, lives as long as the attempt, and is small
// beside what pebble is made for; docs/design/state-on-disk.md has the measurements.
func (d *Disk) options(fs *faultFS) *pebble.Options {
	// A table in memory is taken from the cache; two may exist, the second while the first is written.
	table := min(max(d.cfg.Memory/2/int64(d.cfg.Subtasks)/4, 1<<20), 64<<20)
	o := &pebble.Options{
		FS:                          fs,
		Logger:                      logger{d.cfg.Log, fs},
		FormatMajorVersion:          rowBlocks,
		DisableWAL:                  true,
		Cache:                       d.cache,
		FileCache:                   d.files,
		MemTableSize:                uint64(table),
		MemTableStopWritesThreshold: 2,
		L0CompactionThreshold:       4,
		L0StopWritesThreshold:       16,
		LBaseMaxBytes:               max(4*table, 16<<20), // what comes down from above should not rewrite much more
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
