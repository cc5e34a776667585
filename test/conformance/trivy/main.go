// `trivy sbom --list-all-pkgs --format json --offline-scan` without the rest of Trivy, which takes far longer to build
// and is not needed here: Trivy's own decoder, its own matching of advisories with packages, its own report, and a database in
// its own format of the few advisories that are given. Built by .ci/trivy.sh inside of Trivy's source.
//
//	usage: trivy-sbom ADVISORIES SBOM [DIRECTORY]
//	  ADVISORIES  JSON, a list of {bucket, source, package, id, fixed, severity}
//	  DIRECTORY   where the database is left, as a cache for the whole trivy; without it nothing is left
package main

import (
	"context"
	"encoding/json"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/aquasecurity/trivy-db/pkg/db"
	"github.com/aquasecurity/trivy-db/pkg/metadata"
	dbTypes "github.com/aquasecurity/trivy-db/pkg/types"
	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"
	"github.com/aquasecurity/trivy/pkg/sbom"
	"github.com/aquasecurity/trivy/pkg/scan/ospkg"
	"github.com/aquasecurity/trivy/pkg/types"
	"github.com/aquasecurity/trivy/pkg/vulnerability"
	bolt "go.etcd.io/bbolt"
)

type advisory struct {
	Bucket, Source, Package, ID, Fixed, Severity string
}

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

func main() {
	if len(os.Args) < 3 {
		log.Print("usage: trivy-sbom ADVISORIES SBOM [DIRECTORY]")
		return
	}
	directory := must(os.MkdirTemp("", "trivy-sbom-"))
	defer os.RemoveAll(directory)
	if len(os.Args) > 3 {
		directory = os.Args[3]
	}
	fill(filepath.Join(directory, "db"), os.Args[1])

	report := types.Report{SchemaVersion: 2, ArtifactName: os.Args[2], ArtifactType: ftypes.TypeCycloneDX}
	file := must(os.Open(os.Args[2]))
	format := must(sbom.DetectFormat(file))
	bom := must(sbom.Decode(context.Background(), file, format))
	report.Metadata.OS = bom.Metadata.OS
	target := types.ScanTarget{Name: os.Args[2]}
	if bom.Metadata.OS != nil {
		target.OS = *bom.Metadata.OS
	}
	for _, info := range bom.Packages {
		target.Packages = append(target.Packages, info.Packages...)
	}
	options := types.ScanOptions{Scanners: types.Scanners{types.VulnerabilityScanner}}
	result, _, err := ospkg.NewScanner().Scan(context.Background(), target, options)
	if err != nil {
		log.Fatal(err)
	}
	if target.OS.Detected() {
		vulnerability.NewClient(db.Config{}).FillInfo(result.Vulnerabilities, []dbTypes.SourceID{"auto"})
		report.Results = types.Results{result}
	}
	output := json.NewEncoder(os.Stdout)
	output.SetIndent("", "  ")
	if err := output.Encode(report); err != nil {
		log.Fatal(err)
	}
}

// fill makes the database as trivy-db does: advisories by bucket and source package, severities by vulnerability.
func fill(directory, path string) {
	var advisories []advisory
	if err := json.Unmarshal(must(os.ReadFile(path)), &advisories); err != nil {
		log.Fatal(err)
	}
	if err := db.Init(directory); err != nil {
		log.Fatal(err)
	}
	database := db.Config{}
	err := database.BatchUpdate(func(tx *bolt.Tx) error {
		for _, it := range advisories {
			source := dbTypes.SourceID(it.Source)
			severity := must(dbTypes.NewSeverity(it.Severity))
			details := dbTypes.Vulnerability{VendorSeverity: dbTypes.VendorSeverity{source: severity}}
			for _, err := range []error{
				database.PutDataSource(tx, it.Bucket, dbTypes.DataSource{ID: source}),
				database.PutAdvisory(tx, []string{it.Bucket, it.Package}, it.ID, dbTypes.Advisory{FixedVersion: it.Fixed}),
				database.PutVulnerability(tx, it.ID, details),
			} {
				if err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	now := time.Now()
	age := metadata.Metadata{Version: db.SchemaVersion, UpdatedAt: now, NextUpdate: now.Add(24 * time.Hour), DownloadedAt: now}
	if err := metadata.NewClient(directory).Update(age); err != nil {
		log.Fatal(err)
	}
}
