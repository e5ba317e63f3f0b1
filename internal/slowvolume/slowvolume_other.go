//go:build !linux

package slowvolume

import "context"

// ServeIfChild does nothing: no process is ever started here.
func ServeIfChild() {}

// CanBlock returns ErrUnsupported.
func CanBlock() error { return ErrUnsupported }

// CanFile returns ErrUnsupported.
func CanFile() error { return ErrUnsupported }

// CanThrottle returns ErrUnsupported.
func CanThrottle() error { return ErrUnsupported }

// volume has the methods of block and file volumes; none exists here.
type volume struct{}

// Path returns nothing.
func (volume) Path() string { return "" }

// ServerPID returns 0.
func (volume) ServerPID() int { return 0 }

// SetFaults returns ErrUnsupported.
func (volume) SetFaults(...Fault) error { return ErrUnsupported }

// Counts returns ErrUnsupported.
func (volume) Counts() (Counts, error) { return Counts{}, ErrUnsupported }

// Stop returns ErrUnsupported.
func (volume) Stop() error { return ErrUnsupported }

// Continue returns ErrUnsupported.
func (volume) Continue() error { return ErrUnsupported }

// Close does nothing.
func (volume) Close() error { return nil }

// Block is a block volume; none can be made here.
type Block struct{ volume }

// NewBlock returns ErrUnsupported.
func NewBlock(context.Context, BlockConfig) (*Block, error) { return nil, ErrUnsupported }

// Device returns nothing.
func (*Block) Device() string { return "" }

// PowerCut returns ErrUnsupported.
func (*Block) PowerCut(context.Context) error { return ErrUnsupported }

// File is a file volume; none can be made here.
type File struct{ volume }

// NewFile returns ErrUnsupported.
func NewFile(context.Context, FileConfig) (*File, error) { return nil, ErrUnsupported }

// Plain is a volume without faults; none can be made here.
type Plain struct{}

// Path returns nothing.
func (*Plain) Path() string { return "" }

// Close does nothing.
func (*Plain) Close() error { return nil }

// NewTmpfs returns ErrUnsupported.
func NewTmpfs(context.Context, string, int64) (*Plain, error) { return nil, ErrUnsupported }

// NewOverlayVolatile returns ErrUnsupported.
func NewOverlayVolatile(context.Context, string, string) (*Plain, error) {
	return nil, ErrUnsupported
}

// Cgroup is a cgroup with limits; none can be made here.
type Cgroup struct{}

// NewCgroup returns ErrUnsupported.
func NewCgroup(string, Throttle) (*Cgroup, error) { return nil, ErrUnsupported }

// NewCPUQuota returns ErrUnsupported.
func NewCPUQuota(float64) (*Cgroup, error) { return nil, ErrUnsupported }

// Dir returns nothing.
func (*Cgroup) Dir() string { return "" }

// Add returns ErrUnsupported.
func (*Cgroup) Add(int) error { return ErrUnsupported }

// Close does nothing.
func (*Cgroup) Close() error { return nil }
