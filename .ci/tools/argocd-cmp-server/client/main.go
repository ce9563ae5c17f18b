// argocd-cmp-client asks Argo CD's plugin server what Argo CD's repo-server asks it, with Argo CD's own client code:
// a request a line on stdin, an answer a line on stdout, both JSON. Two levels:
//
//   - match, parameters, generate (plugin.go): one call of the plugin server, with the environment of the request;
//   - application, details (reposerver.go): a whole Application, as repo-server makes manifests of it and as the user
//     interface shows its parameters. The environment is then what Argo CD makes of the Application.
//
// ARGOCD_PLUGINSOCKFILEPATH is the folder of the plugins' sockets, as for repo-server.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/argoproj/argo-cd/v3/common"
	reposerver "github.com/argoproj/argo-cd/v3/reposerver/apiclient"
)

type request struct {
	// match, parameters, generate, application or details.
	Call string `json:"call"`
	// The folder that is sent whole; for an Application the git repository that stands for its repoURL.
	Repository string `json:"repository"`
	// As repo-server waits for a plugin: a duration, 60s without one.
	Timeout string `json:"timeout"`

	// For one call: the name of the plugin, the application's folder in the repository, and NAME=VALUE.
	Plugin string   `json:"plugin"`
	Path   string   `json:"path"`
	Env    []string `json:"env"`

	// For an Application: its manifest, what the destination cluster is, and whether it is a hard refresh.
	Application string   `json:"application"`
	KubeVersion string   `json:"kubeVersion"`
	APIVersions []string `json:"apiVersions"`
	Hard        bool     `json:"hard"`
}

// What Argo CD's code gave back, in its own words.
type answer struct {
	Supported  bool                                `json:"supported,omitempty"`
	Discovery  bool                                `json:"discovery,omitempty"`
	Parameters []*reposerver.ParameterAnnouncement `json:"parameters,omitempty"`
	Manifests  []string                            `json:"manifests,omitempty"`
	SourceType string                              `json:"sourceType,omitempty"`
	Revision   string                              `json:"revision,omitempty"`
	Error      string                              `json:"error,omitempty"`
}

func main() {
	// What goes wrong is in the answers; Argo CD's code logs it a second time, with loggers of two kinds.
	logrus.SetOutput(io.Discard)
	os.Setenv(common.EnvLogLevel, logrus.FatalLevel.String())
	if err := serve(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "argocd-cmp-client:", err)
		os.Exit(1)
	}
}

func serve(in io.Reader, out io.Writer) error {
	requests, answers := json.NewDecoder(bufio.NewReader(in)), json.NewEncoder(out)
	answers.SetEscapeHTML(false)
	for {
		var request request
		if err := requests.Decode(&request); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		answer, err := request.answer()
		if err != nil {
			answer.Error = err.Error()
		}
		if err := answers.Encode(answer); err != nil {
			return err
		}
	}
}

func (r *request) answer() (answer, error) {
	timeout := 60 * time.Second
	if r.Timeout != "" {
		var err error
		if timeout, err = time.ParseDuration(r.Timeout); err != nil {
			return answer{}, err
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	switch r.Call {
	case "match":
		return r.match(ctx)
	case "parameters":
		return r.parameters(ctx)
	case "generate":
		return r.generate(ctx)
	case "application":
		return r.manifests(ctx)
	case "details":
		return r.details(ctx)
	}
	return answer{}, fmt.Errorf("no call %q", r.Call)
}
