package natsfs

import (
	"reflect"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
)

func TestCheckVersion(t *testing.T) {
	if err := CheckVersion(); err != nil {
		t.Fatal(err)
	}
	if err := checkVersion("2.15.2"); err == nil || !strings.Contains(err.Error(), "2.15.2") {
		t.Errorf("another version: %v", err)
	}
}

func TestCheckBuild(t *testing.T) {
	tests := []struct {
		name string
		dep  debug.Module
		ok   bool
	}{
		{"tested", debug.Module{Path: serverModule, Version: "v2.15.3", Sum: testedSum}, true},
		{"no sum", debug.Module{Path: serverModule, Version: "v2.15.3"}, true},
		{"not listed", debug.Module{Path: "example.com/x", Version: "v1.0.0"}, true},
		{"other version", debug.Module{Path: serverModule, Version: "v2.15.1"}, false},
		{"altered", debug.Module{Path: serverModule, Version: "v2.15.3", Sum: "h1:x"}, false},
		{"replaced", debug.Module{Path: serverModule, Version: "v2.15.3", Replace: &debug.Module{Path: "../fork"}}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := checkBuild(&debug.BuildInfo{Deps: []*debug.Module{&tt.dep}}); (err == nil) != tt.ok {
				t.Error(err)
			}
		})
	}
}

func TestFileStoreType(t *testing.T) {
	typ := fileStorePointer(nil).Type()
	if got := typ.String(); got != "*server.fileStore" {
		t.Fatalf("type is %s", got)
	}
	if !typ.Implements(reflect.TypeFor[server.StreamStore]()) {
		t.Error("it is no stream store")
	}
}

func TestFindLayoutRefuses(t *testing.T) {
	tests := map[string]reflect.Type{
		"other struct": reflect.TypeFor[server.Options](),
		"empty":        reflect.TypeFor[struct{}](),
	}
	for name, typ := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := findLayout(typ); err == nil {
				t.Error("it passed")
			}
		})
	}
	t.Run("field type", func(t *testing.T) {
		_, err := fieldOffset(reflect.TypeFor[server.Options](), wantedField{"Options", "StoreDir", "int"})
		if err == nil || !strings.Contains(err.Error(), "of type string, not int") {
			t.Error(err)
		}
	})
}
