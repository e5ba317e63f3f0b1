package probes

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"storebench/internal/measure"
	"storebench/internal/natsfs"
)

// Mixed does at once what a node does: writers, periodic syncs, state files,
// consumers' states, and in the background a store that is read at a restart.
type Mixed struct {
	Rate    float64      `param:"rate" min:"0.1" max:"10000000" help:"messages a second over all streams"`
	Syncs   float64      `param:"syncs-per-second" min:"0.01" max:"100" help:"periodic syncs over all streams; a server syncs each every 2 minutes"`
	States  float64      `param:"states-per-second" min:"0.01" max:"1000" help:"state files written over all streams; a server writes each every 2 to 2.5 minutes"`
	Reopens float64      `param:"recoveries-per-second" min:"0.01" max:"100" help:"stores that are read in the background, as at a restart"`
	Stored  measure.Size `param:"stored" min:"4096" max:"1073741824" help:"bytes of the store that is read"`
	consumerParams
	streamParams
}

var _ = register(func() Probe {
	return &Mixed{
		Rate: 1000, Syncs: 4, States: 8, Reopens: 8, Stored: 1900 << 10,
		consumerParams: defaultConsumers(), streamParams: defaultStreams(),
	}
})

// Info describes the probe.
func (p *Mixed) Info() Info {
	n := p.need()
	n.Bytes += p.consumerBytes() + 2*int64(p.Stored) + 8<<20
	n.Files += p.consumerFiles() + int64(p.Stored)/32000*2 + 32
	parts := []struct {
		metric, help string
		kind         measure.Kind
	}{
		{"store", "a message from when it was due until it is stored", measure.Latency},
		{"sync", "a periodic sync of one stream", measure.Mark},
		{"state", "a WriteFullState of one stream", measure.Latency},
		{"consumer", "a write of a consumer's state", measure.Latency},
		{"recovery", "opening a store again that is not in the page cache, and closing it", measure.Latency},
	}
	var metrics, alone []Metric
	for _, part := range parts {
		metrics = append(metrics, Metric{Name: part.metric, Unit: measure.Seconds, Help: part.help + ", all at once", Kind: part.kind})
		alone = append(alone, Metric{Name: part.metric + "_alone", Unit: measure.Seconds, Help: part.help + ", with nothing beside it"})
	}
	return Info{
		Name:    "mixed",
		Topic:   "everything at once",
		Summary: "do at once what a live node does, and each part alone beside it",
		Why:     "A node never does one thing. Each part may be fast by itself and slow among the others: they share the disk, nats-server's I/O slots and the locks of the stores. This is the step nearest to a live node.",
		Metrics: append(metrics, alone...),
		Need:    n,
		Extra:   6*grace + closeWait + preparation(int64(p.Stored)),
	}
}

// Run measures one round.
func (p *Mixed) Run(ctx context.Context, env *Env) ([]measure.Measurement, error) {
	s, err := p.open(ctx, env)
	if err != nil {
		return nil, err
	}
	parts, err := p.parts(ctx, env, s)
	if err != nil {
		return nil, cutOr(err, s.close(ctx))
	}
	measured, err := apartAndTogether(ctx, env, s, parts)
	return s.warn(measured), cutOr(err, s.close(ctx))
}

// parts are what is done at once.
func (p *Mixed) parts(ctx context.Context, env *Env, s *streams) ([]part, error) {
	consumers, err := p.consumersPart("consumer", s)
	if err != nil {
		return nil, err
	}
	reopen, err := p.background(ctx, env, s)
	if err != nil {
		return nil, err
	}
	n := int64(len(s.stores))
	return []part{
		p.writersPart(s, p.Rate),
		loadPart("sync", 1, p.Syncs, func(_ int, i int64) error { return s.stores[i%n].SyncBlocks() }),
		loadPart("state", 1, p.States, func(_ int, i int64) error { return s.stores[i%n].WriteFullState() }),
		consumers, reopen,
	}, nil
}

// background is the part that reads a stopped store again and again.
func (p *Mixed) background(ctx context.Context, env *Env, s *streams) (part, error) {
	dir := filepath.Join(env.Dir, "background")
	cfg := natsfs.StoreConfig{
		Name: "BACKGROUND", Subjects: []string{"background"}, Cipher: natsfs.Cipher(p.Cipher), Compression: natsfs.Compression(p.Compression), Key: natsfs.NewKey(),
	}
	if err := fillStore(ctx, s.server, dir, cfg, int64(p.Stored), s.payload); err != nil {
		return part{}, fmt.Errorf("make the store that is read in the background: %w", err)
	}
	if err := settle(dir); err != nil {
		return part{}, err
	}
	return loadPart("recovery", 1, p.Reopens, func(int, int64) error {
		if _, err := forget(dir); err != nil {
			return err
		}
		store, err := s.server.OpenStore(dir, cfg)
		if err != nil {
			return err
		}
		return store.Close()
	}), nil
}

// fillStore makes a store of about so many bytes and closes it.
func fillStore(ctx context.Context, server *natsfs.Server, dir string, cfg natsfs.StoreConfig, bytes int64, message []byte) error {
	store, err := server.OpenStore(dir, cfg)
	if err != nil {
		return err
	}
	subject := cfg.Name
	if len(cfg.Subjects) > 0 {
		subject = cfg.Subjects[0]
	}
	record := int64(len(message) + len(subject) + 30)
	for range max(1, bytes/record) {
		if err = context.Cause(ctx); err != nil {
			break
		}
		if err = store.StoreMsg(subject, nil, message); err != nil {
			break
		}
	}
	return errors.Join(err, store.Close())
}
