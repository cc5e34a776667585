// A vulnerability database for the whole trivy, made of the few advisories that are given by the code that makes Trivy's
// own. Built by .ci/scanners.sh inside of Trivy's source.
//
//	usage: trivy-db ADVISORIES DIRECTORY
//	  ADVISORIES  JSON, a list of {bucket, package, id, source, advisory, vulnerability}, the last two as trivy-db keeps
//	              them (github.com/aquasecurity/trivy-db, pkg/types)
//	  DIRECTORY   what is given to trivy as its cache
package main

import (
	"encoding/json"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/aquasecurity/trivy-db/pkg/db"
	"github.com/aquasecurity/trivy-db/pkg/metadata"
	"github.com/aquasecurity/trivy-db/pkg/types"
	bolt "go.etcd.io/bbolt"
)

type record struct {
	Bucket, Package, ID string
	Source              types.SourceID
	Advisory            types.Advisory
	Vulnerability       types.Vulnerability
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func main() {
	if len(os.Args) < 3 {
		log.Print("usage: trivy-db ADVISORIES DIRECTORY")
		return
	}
	text, err := os.ReadFile(os.Args[1])
	check(err)
	var records []record
	check(json.Unmarshal(text, &records))
	directory := filepath.Join(os.Args[2], "db")
	check(db.Init(directory))
	database := db.Config{}
	check(database.BatchUpdate(func(tx *bolt.Tx) error {
		for _, it := range records {
			check(database.PutDataSource(tx, it.Bucket, types.DataSource{ID: it.Source}))
			check(database.PutAdvisory(tx, []string{it.Bucket, it.Package}, it.ID, &it.Advisory))
			check(database.PutVulnerability(tx, it.ID, it.Vulnerability))
		}
		return nil
	}))
	check(db.Close())
	now := time.Now()
	check(metadata.NewClient(directory).Update(metadata.Metadata{
		Version: db.SchemaVersion, UpdatedAt: now, NextUpdate: now.Add(24 * time.Hour), DownloadedAt: now,
	}))
}
