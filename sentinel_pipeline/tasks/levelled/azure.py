"""Faults of Azure command lines in a deployment script, resource group by resource group."""

from __future__ import annotations

from .diagnosis import Fault, Table, family

TABLE = Table(
    "azure",
    "deploy.sh",
    "the Azure command line",
    "az group create --name {w} --location westeurope",
    {
        "storage_name": Fault(
            "a storage account's name with a hyphen",
            "az storage account create --name {w}{n}data --sku Standard_LRS",
            "az storage account create --name {w}-{n}-data --sku Standard_LRS",
            r"account create --name \w+-",
        ),
        "ssh_open": Fault(
            "SSH is open to the whole network",
            "az network nsg rule create --name {w}{n} --destination-port-ranges 22 --source-address-prefixes 10.0.0.0/8",
            "az network nsg rule create --name {w}{n} --destination-port-ranges 22 --source-address-prefixes '*'",
            r"prefixes '\*'",
        ),
        "password": Fault(
            "a virtual machine with a password in the script",
            "az vm create --name {w}{n} --generate-ssh-keys",
            "az vm create --name {w}{n} --admin-password Start{n}",
            r"--admin-password",
        ),
        "https": Fault(
            "a web app answers without HTTPS",
            "az webapp update --name {w}{n} --https-only true",
            "az webapp update --name {w}{n} --https-only false",
            r"https-only false",
        ),
        "replicas": Fault(
            "the least number of replicas is above the most",
            "az containerapp update --name {w} --min-replicas 1 --max-replicas {n}",
            "az containerapp update --name {w} --min-replicas 10 --max-replicas {n}",
            r"min-replicas 10 ",
        ),
        "public_blob": Fault(
            "a container that everyone can read",
            "az storage container create --name {w}{n} --public-access off",
            "az storage container create --name {w}{n} --public-access blob",
            r"public-access blob",
        ),
        "role": Fault(
            "Owner where Reader is enough",
            "az role assignment create --assignee {w} --role Reader",
            "az role assignment create --assignee {w} --role Owner",
            r"--role Owner",
        ),
    },
)
FAMILY = family(TABLE)
