package render

import (
	"bytes"
	"encoding"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"storebench/results"
)

var schemaFile = filepath.Join("..", "..", "docs", "run.schema.json")

// TestSchemaHoldsDocuments holds the json format of every fixture against the
// published schema. The run without a schema number is no document.
func TestSchemaHoldsDocuments(t *testing.T) {
	schema := compileSchema(t)
	for _, fixture := range fixtures {
		_, data := rendered(t, "json", fixture.make(t))
		err := schema.Validate(decoded(t, data))
		if isDocument := fixture.name != "empty"; (err == nil) != isDocument {
			t.Errorf("%s: %v", fixture.name, err)
		}
	}
}

// TestSchemaRefuses shows that the schema tells a broken document.
func TestSchemaRefuses(t *testing.T) {
	schema := compileSchema(t)
	_, data := rendered(t, "json", healthy(t))
	for name, change := range map[string][2]string{
		"a newer schema":         {`"schema": 1`, `"schema": 2`},
		"an unknown unit":        {`"unit": "seconds"`, `"unit": "milliseconds"`},
		"an unknown status":      {`"status": "pass"`, `"status": "good"`},
		"a number as text":       {`"seed": 42`, `"seed": "42"`},
		"no start":               {`"started": `, `"begun": `},
		"an odd distribution":    {`"min_nanoseconds": `, `"min_milliseconds": `},
		"more than all the time": {`"budget_seconds": 15`, `"budget_seconds": -15`},
	} {
		broken := bytes.Replace(data, []byte(change[0]), []byte(change[1]), 1)
		if bytes.Equal(broken, data) {
			t.Errorf("%s: %q is not in the document", name, change[0])
		} else if schema.Validate(decoded(t, broken)) == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

func compileSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	schema, err := compiler.Compile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

func decoded(t *testing.T, data []byte) any {
	t.Helper()
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return document
}

// TestSchemaIsComplete compares the schema with the types that are written: a
// field that is in one and not in the other, or required in one and not in the
// other, is a mistake.
func TestSchemaIsComplete(t *testing.T) {
	data, err := os.ReadFile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	var root node
	if err := json.Unmarshal(data, &root); err != nil {
		t.Fatal(err)
	}
	walker := schemaWalker{defs: root.Defs}
	for name, beside := range map[string]reflect.Type{"verdict": reflect.TypeFor[results.Verdict](), "matrix": reflect.TypeFor[results.Matrix]()} {
		if root.Properties[name] == nil {
			t.Fatalf("the schema has no %s", name)
		}
		walker.compare(name, beside, *root.Properties[name])
		delete(root.Properties, name) // written beside the run, not part of it
	}
	walker.compare("run", reflect.TypeFor[results.Run](), root)
	for _, difference := range walker.differences {
		t.Error(difference)
	}
	if walker.structs < 20 {
		t.Errorf("only %d types were compared", walker.structs)
	}
}

// node is the part of a schema that the comparison looks at.
type node struct {
	Ref        string           `json:"$ref"`
	Defs       map[string]*node `json:"$defs"`
	Required   []string         `json:"required"`
	Properties map[string]*node `json:"properties"`
	Items      *node            `json:"items"`
}

type schemaWalker struct {
	defs        map[string]*node
	structs     int
	differences []string
}

var (
	textMarshaler = reflect.TypeFor[encoding.TextMarshaler]()
	jsonMarshaler = reflect.TypeFor[json.Marshaler]()
)

// compare follows a type and its schema side by side. Types that write
// themselves end the way; documents are checked as a whole besides.
func (w *schemaWalker) compare(path string, t reflect.Type, n node) {
	if name, isRef := strings.CutPrefix(n.Ref, "#/$defs/"); isRef {
		if w.defs[name] == nil {
			w.differences = append(w.differences, fmt.Sprintf("%s: %s is not defined", path, n.Ref))
			return
		}
		n = *w.defs[name]
	}
	if own := reflect.PointerTo(t); own.Implements(textMarshaler) || own.Implements(jsonMarshaler) {
		return
	}
	switch t.Kind() {
	case reflect.Pointer:
		w.compare(path, t.Elem(), n)
	case reflect.Slice:
		if n.Items == nil {
			w.differences = append(w.differences, path+": the schema has no items")
			return
		}
		w.compare(path+"[]", t.Elem(), *n.Items)
	case reflect.Struct:
		w.compareStruct(path, t, n)
	}
}

func (w *schemaWalker) compareStruct(path string, t reflect.Type, n node) {
	w.structs++
	fields, required := map[string]reflect.Type{}, []string(nil)
	for i := range t.NumField() {
		name, options, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		if name == "-" || !t.Field(i).IsExported() {
			continue
		}
		fields[name] = t.Field(i).Type
		if !strings.Contains(options, "omit") {
			required = append(required, name)
		}
	}
	slices.Sort(required)
	if diff := cmp.Diff(slices.Sorted(maps.Keys(fields)), slices.Sorted(maps.Keys(n.Properties))); diff != "" {
		w.differences = append(w.differences, fmt.Sprintf("%s: fields (-type +schema):\n%s", path, diff))
		return
	}
	if diff := cmp.Diff(required, slices.Sorted(slices.Values(n.Required))); diff != "" {
		w.differences = append(w.differences, fmt.Sprintf("%s: required fields (-type +schema):\n%s", path, diff))
	}
	for name, field := range fields {
		w.compare(path+"."+name, field, *n.Properties[name])
	}
}
