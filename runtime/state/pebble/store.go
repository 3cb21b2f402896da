package pebble

import (
	"errors"
	"fmt"
	"os"

	"github.com/cockroachdb/pebble/v2"

	"github.com/flink-go/flink-go/graph/keyed"
)

// maxBatch is how much is written at once, in bytes.
const maxBatch = 256 << 10

// fewKeys is up to how many keys DeleteRange removes one by one: a range that is marked as deleted makes all later
// reads slower until it is compacted away.
const fewKeys = 64

// Store is the state of one subtask on disk. It belongs to the goroutine of its task.
//
// Writes are collected and handed to pebble before the next read, or when there are enough of them.
type Store struct {
	path   string
	fs     *faultFS
	db     *pebble.DB
	batch  *pebble.Batch
	budget *keyed.CacheBudget
	keys   [][]byte // scratch of DeleteRange
}

var _ keyed.Budgeted = (*Store)(nil)

// CacheBudget implements keyed.Budgeted.
func (s *Store) CacheBudget() *keyed.CacheBudget { return s.budget }

// Get implements keyed.KeyValue.
func (s *Store) Get(key, dst []byte) (value []byte, ok bool, err error) {
	if err := s.commit(); err != nil {
		return dst, false, err
	}
	v, closer, err := s.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return dst, false, nil
	}
	if err != nil {
		return dst, false, s.failed("read", err)
	}
	dst = append(dst, v...)
	if err := closer.Close(); err != nil {
		return dst, false, s.failed("read", err)
	}
	return dst, true, nil
}

// Set implements keyed.KeyValue.
func (s *Store) Set(key, value []byte) error {
	if err := s.batch.Set(key, value, nil); err != nil {
		return s.failed("write", err)
	}
	return s.room()
}

// Delete implements keyed.KeyValue.
func (s *Store) Delete(key []byte) error {
	if err := s.batch.Delete(key, nil); err != nil {
		return s.failed("delete", err)
	}
	return s.room()
}

// DeleteRange implements keyed.KeyValue.
func (s *Store) DeleteRange(from, to []byte) error {
	s.keys = s.keys[:0]
	err := s.Scan(from, to, func(key, _ []byte) bool {
		n := len(s.keys)
		if n == fewKeys {
			return false
		}
		if n < cap(s.keys) {
			s.keys = s.keys[:n+1]
			s.keys[n] = append(s.keys[n][:0], key...)
		} else {
			s.keys = append(s.keys, append([]byte(nil), key...))
		}
		return true
	})
	if err != nil {
		return err
	}
	if len(s.keys) == fewKeys {
		if err := s.batch.DeleteRange(from, to, nil); err != nil {
			return s.failed("delete", err)
		}
		return s.room()
	}
	for _, key := range s.keys {
		if err := s.Delete(key); err != nil {
			return err
		}
	}
	return nil
}

// Scan implements keyed.KeyValue. It shows the store as it was at the beginning, whatever each does.
func (s *Store) Scan(from, to []byte, each func(key, value []byte) bool) (err error) {
	if err := s.commit(); err != nil {
		return err
	}
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: from, UpperBound: to})
	if err != nil {
		return s.failed("read", err)
	}
	defer func() { // each may panic
		if cerr := it.Close(); cerr != nil && err == nil {
			err = s.failed("read", cerr)
		}
	}()
	for ok := it.First(); ok; ok = it.Next() {
		value, err := it.ValueAndErr()
		if err != nil {
			return s.failed("read", err)
		}
		if !each(it.Key(), value) {
			break
		}
	}
	return nil
}

// room hands the batch over when it is large.
func (s *Store) room() error {
	if s.batch.Len() < maxBatch {
		return nil
	}
	return s.commit()
}

// commit hands the collected writes to pebble.
func (s *Store) commit() error {
	if err := s.fs.fault(); err != nil {
		return s.failed("write", err)
	}
	if s.batch.Empty() {
		return nil
	}
	if err := s.db.Apply(s.batch, pebble.NoSync); err != nil {
		return s.failed("write", err)
	}
	s.batch.Reset()
	return nil
}

// failed names directory and operation. What went wrong first, such as a full disk, is more than what followed.
func (s *Store) failed(operation string, err error) error {
	if first := s.fs.fault(); first != nil {
		operation, err = "write", first
	}
	return fmt.Errorf("%s state in %s: %w", operation, s.path, err)
}

// Close closes the store and removes its directory. An error tells that something is left on disk; the state itself is
// not missed.
func (s *Store) Close() error {
	s.fs.discard()
	errs := []error{s.batch.Close()}
	if err := s.db.Close(); err != nil && s.fs.fault() == nil {
		errs = append(errs, err)
	}
	errs = append(errs, os.RemoveAll(s.path))
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("remove state in %s: %w", s.path, err)
	}
	return nil
}
