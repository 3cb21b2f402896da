package window

import "github.com/flink-go/flink-go/graph/operator"

// Rows is the number of rows of state that an operator holds: windows of keys with contents or timers.
func Rows(l operator.Lifecycle) int { return l.(interface{ stateRows() int }).stateRows() }

func (e *engine[K, U]) stateRows() int { return e.rows.Len() }
