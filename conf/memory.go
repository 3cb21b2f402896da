package conf

// defaultManagedPerSlot is the managed memory of a slot when the configuration says nothing.
const defaultManagedPerSlot MemorySize = 128 << 20

// ManagedMemoryPerSlot is how much memory the state on disk of one slot may use.
func (c *Config) ManagedMemoryPerSlot() MemorySize {
	slots := MemorySize(max(TaskManagerNumberOfTaskSlots.Get(c), 1))
	if size, set := TaskManagerMemoryManagedSize.Lookup(c); set {
		return size / slots
	}
	if process, set := TaskManagerMemoryProcessSize.Lookup(c); set {
		return MemorySize(TaskManagerMemoryManagedFraction.Get(c)*float64(process)) / slots
	}
	return defaultManagedPerSlot
}
