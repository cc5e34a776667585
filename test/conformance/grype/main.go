// A vulnerability database for the whole grype, made of the few records that are given by the code that makes Grype's own,
// as the archive that `grype db import` takes. Built by .ci/scanners.sh inside of Grype's source.
//
//	usage: grype-db RECORDS DIRECTORY
//	  RECORDS    JSON, a list of {provider, identifier, schema, item} as Vunnel, which feeds Grype's database, writes
//	             them (github.com/anchore/vunnel, schema/)
//	  DIRECTORY  an empty one, where the archive is left
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	_ "github.com/glebarez/sqlite"

	"github.com/anchore/grype/grype/db"
	"github.com/anchore/grype/grype/db/provider"
	v6 "github.com/anchore/grype/grype/db/v6"
	build "github.com/anchore/grype/grype/db/v6/build"
)

type record struct {
	Provider   string          `json:"provider"`
	Identifier string          `json:"identifier"`
	Schema     string          `json:"schema"`
	Item       json.RawMessage `json:"item"`
}

func must[T any](value T, err error) T {
	check(err)
	return value
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func main() {
	if len(os.Args) < 3 {
		log.Print("usage: grype-db RECORDS DIRECTORY")
		return
	}
	var records []record
	check(json.Unmarshal(must(os.ReadFile(os.Args[1])), &records))
	directory := os.Args[2]
	now := time.Now()
	check(db.Build(db.BuildConfig{
		SchemaVersion: v6.ModelVersion,
		Directory:     directory,
		States:        workspaces(filepath.Join(directory, "records"), records, now),
		Timestamp:     now,
	}))
	check(build.CreateArchive(directory, "tar.gz", nil))
}

// workspaces lays the records out as Vunnel does: a directory for each provider, in the order they are given in.
func workspaces(root string, records []record, now time.Time) provider.States {
	var names []string
	files := map[string][]provider.File{}
	for index, it := range records {
		if _, ok := files[it.Provider]; !ok {
			names = append(names, it.Provider)
		}
		name := fmt.Sprintf("%d.json", index)
		file := must(provider.NewWorkspaceWriter(root, it.Provider).WriteResult(name, must(json.Marshal(it))))
		files[it.Provider] = append(files[it.Provider], *file)
	}
	var states provider.States
	for _, name := range names {
		writer := provider.NewWorkspaceWriter(root, name)
		check(writer.WriteListing(files[name]))
		check(writer.WriteState(provider.State{
			Provider:  name,
			Version:   1,
			Processor: "drover",
			Timestamp: now,
			Store:     "flat-file",
			Listing:   &provider.File{Path: "results/listing.xxh64", Algorithm: "xxh64"},
		}))
		states = append(states, *must(provider.NewWorkspace(root, name).ReadState()))
	}
	return states
}
