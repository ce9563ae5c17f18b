package main

import (
	"context"
	"os"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/yaml"

	"github.com/argoproj/argo-cd/v3/common"
	"github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
	"github.com/argoproj/argo-cd/v3/reposerver/apiclient"
	"github.com/argoproj/argo-cd/v3/reposerver/cache"
	"github.com/argoproj/argo-cd/v3/reposerver/metrics"
	"github.com/argoproj/argo-cd/v3/reposerver/repository"
	cacheutil "github.com/argoproj/argo-cd/v3/util/cache"
	"github.com/argoproj/argo-cd/v3/util/git"
)

// The service that repo-server serves, with its defaults, and a cache in memory in place of Redis.
var service = sync.OnceValues(func() (*repository.Service, error) {
	checkouts, err := os.MkdirTemp("", "repo-server-")
	if err != nil {
		return nil, err
	}
	memory := cacheutil.NewCache(cacheutil.NewInMemoryCache(time.Hour))
	constants := repository.RepoServerInitConstants{
		PauseGenerationAfterFailedGenerationAttempts: 3,
		PauseGenerationOnFailureForMinutes:           60,
		SubmoduleEnabled:                             true,
		MaxCombinedDirectoryManifestsSize:            resource.MustParse("10M"),
		EnableBuiltinGitConfig:                       true,
	}
	service := repository.NewService(
		metrics.NewMetricsServer(),
		cache.NewCache(memory, time.Hour, time.Minute, 10*time.Second),
		constants, git.NoopCredsStore{}, checkouts)
	return service, service.Init()
})

// The Application of the request, whose source is the repository of the request.
func (r *request) app() (*v1alpha1.Application, *v1alpha1.ApplicationSource, *v1alpha1.Repository, error) {
	var app v1alpha1.Application
	if err := yaml.UnmarshalStrict([]byte(r.Application), &app); err != nil {
		return nil, nil, nil, err
	}
	source := app.Spec.GetSource()
	if app.Spec.SourceHydrator != nil {
		// What is rendered, not what is synced.
		source = app.Spec.SourceHydrator.GetDrySource()
	}
	source.RepoURL = "file://" + r.Repository
	return &app, &source, &v1alpha1.Repository{Repo: source.RepoURL}, nil
}

// What the controller asks of repo-server when it compares an Application with the cluster.
func (r *request) manifests(ctx context.Context) (answer, error) {
	service, err := service()
	if err != nil {
		return answer{}, err
	}
	app, source, repo, err := r.app()
	if err != nil {
		return answer{}, err
	}
	response, err := service.GenerateManifest(ctx, &apiclient.ManifestRequest{
		Repo:              repo,
		Revision:          source.TargetRevision,
		NoCache:           r.Hard,
		AppLabelKey:       common.LabelKeyAppInstance,
		AppName:           app.InstanceName("argocd"),
		Namespace:         app.Spec.Destination.Namespace,
		ApplicationSource: source,
		KubeVersion:       r.KubeVersion,
		ApiVersions:       r.APIVersions,
		TrackingMethod:    string(v1alpha1.TrackingMethodAnnotation),
		ProjectName:       app.Spec.Project,
	})
	if err != nil {
		return answer{}, err
	}
	return answer{Manifests: response.Manifests, SourceType: response.SourceType, Revision: response.Revision}, nil
}

// What the user interface asks when it shows the parameters of an Application.
func (r *request) details(ctx context.Context) (answer, error) {
	service, err := service()
	if err != nil {
		return answer{}, err
	}
	app, source, repo, err := r.app()
	if err != nil {
		return answer{}, err
	}
	response, err := service.GetAppDetails(ctx, &apiclient.RepoServerAppDetailsQuery{
		Repo:           repo,
		Source:         source,
		AppName:        app.InstanceName("argocd"),
		NoCache:        r.Hard,
		TrackingMethod: string(v1alpha1.TrackingMethodAnnotation),
	})
	if err != nil {
		return answer{}, err
	}
	return answer{Parameters: response.Plugin.GetParametersAnnouncement(), SourceType: response.Type}, nil
}
