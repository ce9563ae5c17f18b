package main

import (
	"context"
	"path/filepath"

	grpc_retry "github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/retry"

	"github.com/argoproj/argo-cd/v3/cmpserver/apiclient"
	"github.com/argoproj/argo-cd/v3/common"
	"github.com/argoproj/argo-cd/v3/util/cmp"
)

// What the three calls have in common: the repository goes out as a stream, one message comes back.
type stream[Response any] interface {
	cmp.StreamSender
	CloseAndRecv() (*Response, error)
}

// Sends the repository over a stream that `open` opens on the plugin's socket, as repo-server does.
func call[Response any, Stream stream[Response]](
	ctx context.Context,
	r *request,
	open func(apiclient.ConfigManagementPluginServiceClient) (Stream, error),
) (*Response, error) {
	socket := filepath.Join(common.GetPluginSockFilePath(), r.Plugin+".sock")
	connection, client, err := apiclient.NewConfigManagementPluginClientSet(socket).NewConfigManagementPluginClient()
	if err != nil {
		return nil, err
	}
	defer connection.Close()
	stream, err := open(client)
	if err != nil {
		return nil, err
	}
	if err := cmp.SendRepoStream(ctx, filepath.Join(r.Repository, r.Path), r.Repository, stream, r.Env, nil); err != nil {
		return nil, err
	}
	return stream.CloseAndRecv()
}

func (r *request) match(ctx context.Context) (answer, error) {
	type client = apiclient.ConfigManagementPluginServiceClient
	type stream = apiclient.ConfigManagementPluginService_MatchRepositoryClient
	response, err := call[apiclient.RepositoryResponse](ctx, r, func(client client) (stream, error) {
		return client.MatchRepository(ctx, grpc_retry.Disable())
	})
	return answer{Supported: response.GetIsSupported(), Discovery: response.GetIsDiscoveryEnabled()}, err
}

func (r *request) parameters(ctx context.Context) (answer, error) {
	type client = apiclient.ConfigManagementPluginServiceClient
	type stream = apiclient.ConfigManagementPluginService_GetParametersAnnouncementClient
	response, err := call[apiclient.ParametersAnnouncementResponse](ctx, r, func(client client) (stream, error) {
		return client.GetParametersAnnouncement(ctx, grpc_retry.Disable())
	})
	return answer{Parameters: response.GetParameterAnnouncements()}, err
}

func (r *request) generate(ctx context.Context) (answer, error) {
	type client = apiclient.ConfigManagementPluginServiceClient
	type stream = apiclient.ConfigManagementPluginService_GenerateManifestClient
	response, err := call[apiclient.ManifestResponse](ctx, r, func(client client) (stream, error) {
		return client.GenerateManifest(ctx, grpc_retry.Disable())
	})
	return answer{Manifests: response.GetManifests()}, err
}
