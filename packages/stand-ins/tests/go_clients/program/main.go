// Drives a stand-in by the vendor's own Go client: create, power, list, delete. It prints what it sees.
package main

import (
	"context"
	"fmt"
	neturl "net/url"
	"os"
	"time"

	"github.com/digitalocean/godo"
	"github.com/hetznercloud/hcloud-go/v2/hcloud"
)

var ctx = context.Background()

func main() {
	url, token, key := os.Args[2], os.Getenv("CLOUD_TOKEN"), os.Getenv("CLOUD_KEY")
	if os.Args[1] == "hetzner" {
		hetzner(url, token, key)
	} else {
		digitalocean(url, token, key)
	}
}

func must[T any](value T, err error) T {
	if err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	return value
}

func hetzner(url, token, key string) {
	client := hcloud.NewClient(hcloud.WithEndpoint(url), hcloud.WithToken(token),
		hcloud.WithPollOpts(hcloud.PollOpts{BackoffFunc: hcloud.ConstantBackoff(50 * time.Millisecond)}))
	wait := func(action *hcloud.Action) { must(0, client.Action.WaitFor(ctx, action)) }
	public, _, err := client.SSHKey.Create(ctx, hcloud.SSHKeyCreateOpts{Name: "go", PublicKey: key})
	must(0, err)
	created, _, err := client.Server.Create(ctx, hcloud.ServerCreateOpts{
		Name: "web1", ServerType: &hcloud.ServerType{Name: "cx23"}, Image: &hcloud.Image{Name: "debian-12"},
		SSHKeys: []*hcloud.SSHKey{public}, Labels: map[string]string{"run": "go"}})
	must(0, err)
	must(0, client.Action.WaitFor(ctx, append(created.NextActions, created.Action)...))
	server := created.Server
	say := func(word string) {
		server, _, err = client.Server.GetByID(ctx, created.Server.ID)
		must(0, err)
		fmt.Println(word, server.Status)
	}
	say("created")
	fmt.Println("address", !server.PublicNet.IPv4.IP.IsUnspecified(), server.ServerType.Name, server.Image.Name)
	for _, power := range []struct {
		word string
		do   func(context.Context, *hcloud.Server) (*hcloud.Action, *hcloud.Response, error)
	}{{"poweroff", client.Server.Poweroff}, {"poweron", client.Server.Poweron}, {"reset", client.Server.Reset},
		{"reboot", client.Server.Reboot}, {"shutdown", client.Server.Shutdown}} {
		action, _, err := power.do(ctx, server)
		must(0, err)
		wait(action)
		say(power.word)
	}
	for _, selector := range []string{"run=go", "run!=go", "run in (a,go)", "!run"} {
		listed := must(client.Server.AllWithOpts(ctx, hcloud.ServerListOpts{
			ListOpts: hcloud.ListOpts{LabelSelector: selector}}))
		fmt.Println("selected", selector, len(listed))
	}
	_, _, err = client.Server.Create(ctx, hcloud.ServerCreateOpts{
		Name: "web1", ServerType: &hcloud.ServerType{Name: "cx23"}, Image: &hcloud.Image{Name: "debian-12"}})
	fmt.Println("unique", hcloud.IsError(err, hcloud.ErrorCodeUniquenessError))
	deleted, _, err := client.Server.DeleteWithResult(ctx, server)
	must(0, err)
	wait(deleted.Action)
	must(0, func() error { _, err := client.SSHKey.Delete(ctx, public); return err }())
	fmt.Println("left", len(must(client.Server.All(ctx))), len(must(client.SSHKey.All(ctx))))
}

func digitalocean(url, token, key string) {
	client := godo.NewFromToken(token)
	client.BaseURL = must(neturl.Parse(url))
	public, _, err := client.Keys.Create(ctx, &godo.KeyCreateRequest{Name: "go", PublicKey: key})
	must(0, err)
	droplet, response, err := client.Droplets.Create(ctx, &godo.DropletCreateRequest{
		Name: "web1", Region: "fra1", Size: "s-1vcpu-1gb", Image: godo.DropletCreateImage{Slug: "debian-12-x64"},
		SSHKeys: []godo.DropletCreateSSHKey{{ID: public.ID}}, Tags: []string{"run:go"}})
	must(0, err)
	fmt.Println("rate", response.Rate.Limit)
	id := droplet.ID
	wait := func(action int) {
		for {
			seen, _, err := client.Actions.Get(ctx, action)
			must(0, err)
			if seen.Status != "in-progress" {
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
	say := func(word string) {
		droplet, _, err = client.Droplets.Get(ctx, id)
		must(0, err)
		fmt.Println(word, droplet.Status)
	}
	wait(response.Links.Actions[0].ID)
	say("created")
	address := must(droplet.PublicIPv4())
	fmt.Println("address", address != "", droplet.SizeSlug, droplet.Image.Slug)
	for _, power := range []struct {
		word string
		do   func(context.Context, int) (*godo.Action, *godo.Response, error)
	}{{"power_off", client.DropletActions.PowerOff}, {"power_on", client.DropletActions.PowerOn},
		{"power_cycle", client.DropletActions.PowerCycle}, {"reboot", client.DropletActions.Reboot},
		{"shutdown", client.DropletActions.Shutdown}} {
		action, _, err := power.do(ctx, id)
		must(0, err)
		wait(action.ID)
		say(power.word)
	}
	listed, _, err := client.Droplets.ListByTag(ctx, "run:go", &godo.ListOptions{})
	must(0, err)
	fmt.Println("selected", len(listed))
	must(0, func() error { _, err := client.Droplets.Delete(ctx, id); return err }())
	for {
		_, response, err = client.Droplets.Get(ctx, id)
		if err != nil {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	fmt.Println("gone", response.StatusCode)
	must(0, func() error { _, err := client.Keys.DeleteByID(ctx, public.ID); return err }())
	keys, _, err := client.Keys.List(ctx, &godo.ListOptions{})
	must(0, err)
	fmt.Println("left", len(keys))
}
