package exchange_test

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/seed3a054f9c/googlesignin/exchange"
)

// The lists and tables that are kept by hand name all that there is.

// declarations returns the package's declarations, without those of tests.
func declarations(t *testing.T) []ast.Decl {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var all []ast.Decl
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, file.Decls...)
	}
	return all
}

// declared returns the names and values of the package's variables or constants
// whose name matches.
func declared(t *testing.T, kind token.Token, name string) map[string]ast.Expr {
	t.Helper()
	found := make(map[string]ast.Expr)
	for _, d := range declarations(t) {
		general, ok := d.(*ast.GenDecl)
		if !ok || general.Tok != kind {
			continue
		}
		for _, spec := range general.Specs {
			for i, ident := range spec.(*ast.ValueSpec).Names {
				if regexp.MustCompile(name).MatchString(ident.Name) {
					found[ident.Name] = spec.(*ast.ValueSpec).Values[i]
				}
			}
		}
	}
	return found
}

func TestSentinelsAreComplete(t *testing.T) {
	names := slices.Sorted(maps.Keys(declared(t, token.VAR, "^Err[A-Z]")))
	if want := slices.Sorted(maps.Keys(sentinels)); !slices.Equal(names, want) {
		t.Fatalf("the package has %q, and the tests %q", names, want)
	}
	documented := documentedErrors(t)
	for name, kind := range sentinels {
		rows := documented[name]
		if len(rows) == 0 {
			t.Errorf("%s is not in the table of the package documentation", name)
		}
		for _, row := range rows {
			if !strings.Contains(row, strconv.Itoa(exchange.HTTPStatus(kind))) && !strings.Contains(row, "as above") {
				t.Errorf("%s has the status %d, and the documentation says: %s", name, exchange.HTTPStatus(kind), row)
			}
		}
	}
}

// documentedErrors returns the rows of the package documentation's table by the
// sentinel that they name.
func documentedErrors(t *testing.T) map[string][]string {
	t.Helper()
	text, err := os.ReadFile("exchange.go")
	if err != nil {
		t.Fatal(err)
	}
	rows := make(map[string][]string)
	row := ""
	for line := range strings.Lines(string(text)) {
		cells, ok := strings.CutPrefix(line, "//\t")
		if !ok {
			row = ""
			continue
		}
		row += cells
		if kind := regexp.MustCompile(`\bErr[A-Z]\w+`).FindString(cells); kind != "" {
			rows[kind] = append(rows[kind], row)
			row = ""
		}
	}
	return rows
}

// An error code of Google's means what the package documentation says of it.
func TestErrorCodesAreDocumented(t *testing.T) {
	documented := make(map[string]bool)
	for name, rows := range documentedErrors(t) {
		for _, code := range regexp.MustCompile(`[a-z]+(?:_[a-z]+)+`).FindAllString(strings.Join(rows, " "), -1) {
			documented[code] = true
			subtype := code == "invalid_rapt" || code == "rapt_required"
			if err := (&exchange.Error{Code: code}); !subtype && !errors.Is(err, sentinels[name]) {
				t.Errorf("%s is %v, and the documentation says %s", code, err, name)
			}
		}
	}
	for _, d := range declarations(t) {
		if f, ok := d.(*ast.FuncDecl); !ok || f.Name.Name != "meaningOf" && f.Name.Name != "hintFor" {
			continue
		}
		ast.Inspect(d, func(n ast.Node) bool {
			if clause, ok := n.(*ast.CaseClause); ok {
				for _, value := range clause.List {
					if code, _ := strconv.Unquote(value.(*ast.BasicLit).Value); !documented[code] {
						t.Errorf("%s is not in the table of the package documentation", code)
					}
				}
			}
			return true
		})
	}
}

func TestOperationsAreDocumented(t *testing.T) {
	text, err := os.ReadFile("errors.go")
	if err != nil {
		t.Fatal(err)
	}
	documented := regexp.MustCompile(`\n\tOp  .*`).FindString(string(text))
	operations := declared(t, token.CONST, "^op[A-Z]")
	for name, value := range operations {
		if op := value.(*ast.BasicLit).Value; !strings.Contains(documented, op) {
			t.Errorf("%s = %s is not in the documentation of Error.Op: %s", name, op, documented)
		}
	}
	if n := strings.Count(documented, `"`) / 2; n != len(operations) {
		t.Errorf("%d operations are documented, and there are %d", n, len(operations))
	}
}

// A struct shows what is in its fields, unless it has a method Format.
func TestStructsAreDiscreet(t *testing.T) {
	open := []string{"AuthParams", "Endpoint", "Error", "KeyError", "Retry"} // without a secret
	structs := make(map[string]bool)                                         // whether it has the method
	declarations := declarations(t)
	for _, d := range declarations {
		general, ok := d.(*ast.GenDecl)
		if !ok || general.Tok != token.TYPE {
			continue
		}
		for _, spec := range general.Specs {
			spec := spec.(*ast.TypeSpec)
			if fields, ok := spec.Type.(*ast.StructType); ok && spec.Name.IsExported() {
				structs[spec.Name.Name] = slices.ContainsFunc(fields.Fields.List, func(f *ast.Field) bool {
					embedded, ok := f.Type.(*ast.Ident)
					return ok && f.Names == nil && embedded.Name == "redacted"
				})
			}
		}
	}
	for _, d := range declarations {
		if f, ok := d.(*ast.FuncDecl); ok && f.Recv != nil && f.Name.Name == "Format" {
			if receiver, ok := f.Recv.List[0].Type.(*ast.Ident); ok { // a value, so that copies have it too
				structs[receiver.Name] = true
			}
		}
	}
	for name, discreet := range structs {
		if discreet == slices.Contains(open, name) {
			t.Errorf("%s: redacts itself: %v", name, discreet)
		}
	}
}
