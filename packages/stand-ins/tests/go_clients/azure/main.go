// Drives Azure's stand-in by Azure's own Go client: create, power, list, delete. It prints what it sees.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

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
	made := done(machines.BeginCreateOrUpdate(ctx, "shop", "web1", armcompute.VirtualMachine{
		Location: at, Tags: tags,
		Properties: &armcompute.VirtualMachineProperties{
			HardwareProfile: &armcompute.HardwareProfile{VMSize: to.Ptr(armcompute.VirtualMachineSizeTypes("Standard_B1s"))},
			StorageProfile: &armcompute.StorageProfile{
				ImageReference: &armcompute.ImageReference{Publisher: to.Ptr("Debian"), Offer: to.Ptr("debian-12"),
					SKU: to.Ptr("12-gen2"), Version: to.Ptr("latest")},
				OSDisk: &armcompute.OSDisk{CreateOption: to.Ptr(armcompute.DiskCreateOptionTypesFromImage),
					DeleteOption: to.Ptr(armcompute.DiskDeleteOptionTypesDelete)},
			},
			OSProfile: &armcompute.OSProfile{ComputerName: to.Ptr("web1"), AdminUsername: to.Ptr("deck"),
				LinuxConfiguration: &armcompute.LinuxConfiguration{SSH: &armcompute.SSHConfiguration{
					PublicKeys: []*armcompute.SSHPublicKey{
						{Path: to.Ptr("/home/deck/.ssh/authorized_keys"), KeyData: &key}}}}},
			NetworkProfile: &armcompute.NetworkProfile{
				NetworkAPIVersion: to.Ptr(armcompute.NetworkAPIVersion("2022-11-01")),
				NetworkInterfaceConfigurations: []*armcompute.VirtualMachineNetworkInterfaceConfiguration{{
					Name: to.Ptr("card"),
					Properties: &armcompute.VirtualMachineNetworkInterfaceConfigurationProperties{
						DeleteOption: deletes,
						IPConfigurations: []*armcompute.VirtualMachineNetworkInterfaceIPConfiguration{{
							Name: to.Ptr("main"),
							Properties: &armcompute.VirtualMachineNetworkInterfaceIPConfigurationProperties{
								Subnet: &armcompute.SubResource{ID: net.Properties.Subnets[0].ID},
							}}}}}},
			},
		},
	}, nil))
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
	fmt.Println("missing", err != nil)
	count := 0
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
