"""What seed.py makes of databases, file systems, keys, secrets and vaults.

expected_demo.csv calls all of them by their name; keys by the name that is given here, which AWS does not know.
Where moto is not like AWS:
- an instance has PubliclyAccessible only when it is created with it, and a cluster's member has none of its own
  StorageEncrypted but the cluster's, as at AWS.
- GetKeyRotationStatus tells no period.
- Glacier has no access policies; moto_server.py adds them.
"""

import json

US, EU = "us-east-1", "eu-west-1"


def everyone(action, **more):
    """A policy that allows everyone."""
    statement = {"Effect": "Allow", "Principal": "*", "Action": action, "Resource": "*", **more}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def data(world):
    """Databases, file systems, keys, secrets and vaults in all accounts."""
    databases(world)
    file_systems(world)
    more_keys(world)
    secrets(world)
    vaults(world)


# --- RDS


def database(world, account, region, name, engine="postgres", **more):
    settings = {
        "DBInstanceClass": "db.t3.medium",
        "PubliclyAccessible": False,
        "AutoMinorVersionUpgrade": True,
        **more,
    }
    if "DBClusterIdentifier" not in more and "SourceDBInstanceIdentifier" not in more:
        settings = {"MasterUsername": "owner", "MasterUserPassword": "seeded-passw0rd", "AllocatedStorage": 20, **settings}
    rds = world.client(account, "rds", region)
    if "SourceDBInstanceIdentifier" in more:
        made = rds.create_db_instance_read_replica(DBInstanceIdentifier=name, **settings)
    else:
        made = rds.create_db_instance(DBInstanceIdentifier=name, Engine=engine, **settings)
    arn = world.made(account, "databases", name, made["DBInstance"]["DBInstanceArn"])
    world.named(arn, name, account, region, "aws.rds.instance")


def cluster(world, account, region, name, engine, **more):
    world.client(account, "rds", region).create_db_cluster(
        DBClusterIdentifier=name, Engine=engine, MasterUsername="owner", MasterUserPassword="seeded-passw0rd", **more
    )


def databases(world):
    # All as it should be, and a replica, which needs no standby.
    database(world, "prod", US, "orders", StorageEncrypted=True, MultiAZ=True)
    database(world, "prod", US, "orders-replica", SourceDBInstanceIdentifier="orders")
    # Members of an Aurora cluster in two zones, each of which says that it is in one.
    cluster(world, "prod", US, "ledger", "aurora-postgresql", StorageEncrypted=True)
    for zone in ("a", "b"):
        database(
            world, "prod", US, f"ledger-{zone}", "aurora-postgresql",
            DBClusterIdentifier="ledger", AvailabilityZone=US + zone,
        )
    # The only member of its cluster.
    cluster(world, "prod", EU, "archive", "aurora-mysql", StorageEncrypted=True)
    database(world, "prod", EU, "archive-a", "aurora-mysql", DBClusterIdentifier="archive")
    # Everything wrong.
    database(
        world, "dev", EU, "scratch", "mysql",
        PubliclyAccessible=True, AutoMinorVersionUpgrade=False, StorageEncrypted=False, MultiAZ=False,
    )
    # Public as well, with an open group in a subnet that leads to the internet.
    world.client("dev", "rds", US).create_db_subnet_group(
        DBSubnetGroupName="dev-main",
        DBSubnetGroupDescription="demo: dev-main",
        SubnetIds=[world.got("dev", "subnets", "dev-main")],
    )
    database(
        world, "dev", US, "reachable",
        PubliclyAccessible=True, StorageEncrypted=True, MultiAZ=True,
        DBSubnetGroupName="dev-main", VpcSecurityGroupIds=[world.got("dev", "security_groups", "all-open")],
    )
    database(
        world, "dev", EU, "exempt", "mysql",
        StorageEncrypted=True, MultiAZ=False, Tags=[{"Key": "upright:single-zone", "Value": "development"}],
    )


# --- EFS


def file_system(world, account, region, name, encrypted):
    made = world.client(account, "efs", region).create_file_system(
        CreationToken=name, Encrypted=encrypted, Tags=[{"Key": "Name", "Value": name}]
    )
    arn = world.made(account, "file_systems", name, made["FileSystemArn"])
    world.named(arn, name, account, region, "aws.efs.file_system")


def file_systems(world):
    file_system(world, "prod", US, "shared-encrypted", True)
    file_system(world, "prod", EU, "shared-plain", False)
    file_system(world, "dev", US, "home-plain", False)


# --- KMS


def more_keys(world):
    """Names the keys of the trails too, which seed.py makes."""
    for account, region, name in (
        ("management", US, "trail"), ("prod", US, "data"), ("prod", US, "trail"), ("prod", EU, "retired"),
    ):
        world.named(world.got(account, "keys", name), name, account, region, "aws.kms.key")

    def key(account, region, name, **more):
        kms = world.client(account, "kms", region)
        made = kms.create_key(Description=f"demo: {name}", **more)["KeyMetadata"]
        world.made(account, "keys", name, made["Arn"])
        world.named(made["Arn"], name, account, region, "aws.kms.key")
        return kms, made["KeyId"]

    kms, rotated = key("prod", EU, "rotated")
    kms.enable_key_rotation(KeyId=rotated)
    key("prod", EU, "signing", KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY")
    key("prod", EU, "imported", Origin="EXTERNAL")
    kms, disabled = key("dev", US, "disabled")
    kms.disable_key(KeyId=disabled)
    key("dev", US, "open", Policy=everyone("kms:*"))
    bound = {"StringEquals": {"kms:CallerAccount": world.id("dev")}}
    key("dev", US, "bound", Policy=everyone("kms:*", Condition=bound))


# --- Secrets Manager


def secret(world, account, region, name, policy=None):
    secrets = world.client(account, "secretsmanager", region)
    arn = secrets.create_secret(Name=name, SecretString="seeded")["ARN"]
    world.made(account, "secrets", name, arn)
    world.named(arn, name, account, region, "aws.secretsmanager.secret")
    if policy:
        secrets.put_resource_policy(SecretId=arn, ResourcePolicy=policy)


def secrets(world):
    read = "secretsmanager:GetSecretValue"
    secret(world, "prod", US, "orders-database")
    in_organization = {"StringEquals": {"aws:PrincipalOrgID": world.organization_id}}
    secret(world, "prod", US, "partner-token", everyone(read, Condition=in_organization))
    secret(world, "dev", EU, "shared-token", everyone(read))


# --- Glacier


def vault(world, account, region, name, policy=None):
    glacier = world.client(account, "glacier", region)
    glacier.create_vault(accountId="-", vaultName=name)
    listed = glacier.list_vaults(accountId="-")["VaultList"]
    arn = next(found["VaultARN"] for found in listed if found["VaultName"] == name)
    world.made(account, "vaults", name, arn)
    world.named(arn, name, account, region, "aws.glacier.vault")
    if policy:
        glacier.set_vault_access_policy(accountId="-", vaultName=name, policy={"Policy": policy})


def vaults(world):
    read = "glacier:GetJobOutput"
    vault(world, "prod", US, "backups")
    from_vpc = {"StringEquals": {"aws:SourceVpc": "vpc-0123456789abcdef0"}}
    vault(world, "prod", US, "backups-of-partner", everyone(read, Condition=from_vpc))
    vault(world, "dev", EU, "backups-for-all", everyone(read))
