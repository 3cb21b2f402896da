package keyed

// HashBy makes hash the hash of the keys in place of codec.HashFor[K]. It is for keys that are made of a stream's key
// and something more, such as a window: they stay in the key group of the stream's key, which the upper 32 bits of the
// hash choose, so that they are found where its records go. It must be called before the first SetKey, which is then
// given this hash.
func (r *Rows[K]) HashBy(hash func(*K) uint64) { r.hashOf = hash }
