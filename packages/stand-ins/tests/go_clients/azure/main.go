// Drives Azure's stand-in by Azure's own Go client: create, power, list, delete. It prints what it sees.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/compute/armcompute/v6"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/network/armnetwork/v6"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resources/armresources"
)

var ctx = context.Background()

func must[T any](value T, err error) T {
	if err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	return value
}

// done waits for the end of an operation.
func done[T any](poller *runtime.Poller[T], err error) T {
	must(0, err)
	return must(poller.PollUntilDone(ctx, &runtime.PollUntilDoneOptions{Frequency: time.Second}))
}

// code is the vendor's code of an error, with its status.
func code(err error) string {
	var refused *azcore.ResponseError
	if !errors.As(err, &refused) {
		return fmt.Sprint("none: ", err)
	}
	return fmt.Sprint(refused.StatusCode, " ", refused.ErrorCode)
}

func main() {
	url, subscription, key := os.Getenv("ARM_ENDPOINT"), os.Getenv("AZURE_SUBSCRIPTION_ID"), os.Getenv("CLOUD_KEY")
	own := cloud.Configuration{
		ActiveDirectoryAuthorityHost: os.Getenv("AZURE_AUTHORITY_HOST"),
		Services: map[cloud.ServiceName]cloud.ServiceConfiguration{
			cloud.ResourceManager: {Endpoint: url, Audience: url},
		},
	}
	client := policy.ClientOptions{Cloud: own, Retry: policy.RetryOptions{MaxRetries: -1}}
	credential := must(azidentity.NewDefaultAzureCredential(
		&azidentity.DefaultAzureCredentialOptions{ClientOptions: client, DisableInstanceDiscovery: true}))
	options := &arm.ClientOptions{ClientOptions: client, DisableRPRegistration: true}
	groups := must(armresources.NewResourceGroupsClient(subscription, credential, options))
	networks := must(armnetwork.NewVirtualNetworksClient(subscription, credential, options))
	machines := must(armcompute.NewVirtualMachinesClient(subscription, credential, options))
	disks := must(armcompute.NewDisksClient(subscription, credential, options))

	at := to.Ptr("westeurope")
	tags := map[string]*string{"run": to.Ptr("go")}
	group := must(groups.CreateOrUpdate(ctx, "shop", armresources.ResourceGroup{Location: at, Tags: tags}, nil))
	fmt.Println("group", *group.Name, *group.Properties.ProvisioningState)
	net := done(networks.BeginCreateOrUpdate(ctx, "shop", "net", armnetwork.VirtualNetwork{
		Location: at,
		Properties: &armnetwork.VirtualNetworkPropertiesFormat{
			AddressSpace: &armnetwork.AddressSpace{AddressPrefixes: []*string{to.Ptr("10.7.0.0/16")}},
			Subnets: []*armnetwork.Subnet{{Name: to.Ptr("nodes"),
				Properties: &armnetwork.SubnetPropertiesFormat{AddressPrefix: to.Ptr("10.7.0.0/24")}}},
		},
	}, nil))
	deletes := to.Ptr(armcompute.DeleteOptionsDelete)
	wanted := func(name string) armcompute.VirtualMachine {
		return armcompute.VirtualMachine{
			Location: at, Tags: tags,
			Properties: &armcompute.VirtualMachineProperties{
				HardwareProfile: &armcompute.HardwareProfile{VMSize: to.Ptr(armcompute.VirtualMachineSizeTypes("Standard_B1s"))},
				StorageProfile: &armcompute.StorageProfile{
					ImageReference: &armcompute.ImageReference{Publisher: to.Ptr("Debian"), Offer: to.Ptr("debian-12"),
						SKU: to.Ptr("12-gen2"), Version: to.Ptr("latest")},
					OSDisk: &armcompute.OSDisk{CreateOption: to.Ptr(armcompute.DiskCreateOptionTypesFromImage),
						DeleteOption: to.Ptr(armcompute.DiskDeleteOptionTypesDelete)},
				},
				OSProfile: &armcompute.OSProfile{ComputerName: &name, AdminUsername: to.Ptr("deck"),
					LinuxConfiguration: &armcompute.LinuxConfiguration{SSH: &armcompute.SSHConfiguration{
						PublicKeys: []*armcompute.SSHPublicKey{
							{Path: to.Ptr("/home/deck/.ssh/authorized_keys"), KeyData: &key}}}}},
				NetworkProfile: &armcompute.NetworkProfile{
					NetworkAPIVersion: to.Ptr(armcompute.NetworkAPIVersion("2022-11-01")),
					NetworkInterfaceConfigurations: []*armcompute.VirtualMachineNetworkInterfaceConfiguration{{
						Name: to.Ptr("card-" + name),
						Properties: &armcompute.VirtualMachineNetworkInterfaceConfigurationProperties{
							DeleteOption: deletes,
							IPConfigurations: []*armcompute.VirtualMachineNetworkInterfaceIPConfiguration{{
								Name: to.Ptr("main"),
								Properties: &armcompute.VirtualMachineNetworkInterfaceIPConfigurationProperties{
									Subnet: &armcompute.SubResource{ID: net.Properties.Subnets[0].ID},
								}}}}}},
				},
			},
		}
	}
	made := done(machines.BeginCreateOrUpdate(ctx, "shop", "web1", wanted("web1"), nil))
	fmt.Println("created", *made.Name, *made.Properties.ProvisioningState, len(made.Properties.NetworkProfile.NetworkInterfaces))
	say := func(word string) {
		view := must(machines.InstanceView(ctx, "shop", "web1", nil))
		fmt.Println(word, *view.Statuses[len(view.Statuses)-1].Code)
	}
	say("power")
	done(machines.BeginPowerOff(ctx, "shop", "web1",
		&armcompute.VirtualMachinesClientBeginPowerOffOptions{SkipShutdown: to.Ptr(true)}))
	say("crash")
	done(machines.BeginStart(ctx, "shop", "web1", nil))
	say("start")
	done(machines.BeginRestart(ctx, "shop", "web1", nil))
	say("restart")
	done(machines.BeginDeallocate(ctx, "shop", "web1", nil))
	say("deallocate")
	_, err := machines.BeginStart(ctx, "shop", "web9", nil)
	fmt.Println("missing", code(err))
	_, err = groups.Get(ctx, "none", nil)
	fmt.Println("no group", code(err))
	wrong := wanted("web9")
	wrong.Properties.HardwareProfile.VMSize = to.Ptr(armcompute.VirtualMachineSizeTypes("Standard_Z"))
	_, err = machines.BeginCreateOrUpdate(ctx, "shop", "web9", wrong, nil)
	fmt.Println("wrong size", code(err))
	once := &armcompute.VirtualMachinesClientBeginCreateOrUpdateOptions{IfNoneMatch: to.Ptr("*")}
	_, err = machines.BeginCreateOrUpdate(ctx, "shop", "web1", wanted("web1"), once)
	fmt.Println("twice", code(err))
	failing := must(machines.BeginRedeploy(ctx, "shop", "web1", nil)) // planted: its operation fails
	_, err = failing.PollUntilDone(ctx, &runtime.PollUntilDoneOptions{Frequency: time.Second})
	fmt.Println("failed", code(err))
	more := []string{"web2", "web3", "web4", "web5"}
	begun := []*runtime.Poller[armcompute.VirtualMachinesClientCreateOrUpdateResponse]{}
	for _, name := range more {
		begun = append(begun, must(machines.BeginCreateOrUpdate(ctx, "shop", name, wanted(name), nil)))
	}
	for _, poller := range begun {
		done(poller, nil)
	}
	pages, names := 0, []string{}
	for pager := machines.NewListPager("shop", nil); pager.More(); pages++ {
		for _, machine := range must(pager.NextPage(ctx)).Value {
			names = append(names, *machine.Name)
		}
	}
	fmt.Println("listed", names, "in pages:", pages)
	count := 0
	for pager := machines.NewListAllPager(&armcompute.VirtualMachinesClientListAllOptions{
		StatusOnly: to.Ptr("true")}); pager.More(); {
		for _, machine := range must(pager.NextPage(ctx)).Value {
			count += len(machine.Properties.InstanceView.Statuses)
		}
	}
	fmt.Println("statuses", count)
	for _, name := range more {
		done(machines.BeginDelete(ctx, "shop", name, nil))
	}
	count = 0
	for pager := groups.NewListPager(&armresources.ResourceGroupsClientListOptions{
		Filter: to.Ptr("tagName eq 'run' and tagValue eq 'go'")}); pager.More(); {
		count += len(must(pager.NextPage(ctx)).Value)
	}
	fmt.Println("selected", count)
	done(machines.BeginDelete(ctx, "shop", "web1", nil))
	count = 0
	for pager := disks.NewListPager(nil); pager.More(); {
		count += len(must(pager.NextPage(ctx)).Value)
	}
	fmt.Println("disks", count)
	done(groups.BeginDelete(ctx, "shop", nil))
	fmt.Println("left", must(groups.CheckExistence(ctx, "shop", nil)).Success)
}
