//! Names of the MITRE ATT&CK techniques that rules about AWS name.
//!
//! Ids and names are those of [ATT&CK for Enterprise](https://attack.mitre.org/techniques/enterprise/).
//! © The MITRE Corporation. This work is reproduced and distributed with the permission of The MITRE Corporation.

/// The name of a technique or sub-technique, such as `Valid Accounts: Cloud Accounts` of `T1078.004`; `None` for one
/// that is not listed here, which says nothing of whether it exists.
#[must_use]
pub fn technique_name(id: &str) -> Option<&'static str> {
    TECHNIQUES
        .binary_search_by_key(&id, |(known, _)| known)
        .ok()
        .and_then(|at| TECHNIQUES.get(at))
        .map(|(_, name)| *name)
}

/// Sorted by id.
const TECHNIQUES: [(&str, &str); 90] = [
    ("T1003", "OS Credential Dumping"),
    ("T1005", "Data from Local System"),
    ("T1018", "Remote System Discovery"),
    ("T1020", "Automated Exfiltration"),
    ("T1021", "Remote Services"),
    ("T1021.004", "Remote Services: SSH"),
    ("T1021.007", "Remote Services: Cloud Services"),
    ("T1021.008", "Remote Services: Direct Cloud VM Connections"),
    ("T1040", "Network Sniffing"),
    ("T1046", "Network Service Discovery"),
    ("T1048", "Exfiltration Over Alternative Protocol"),
    ("T1053", "Scheduled Task/Job"),
    ("T1059", "Command and Scripting Interpreter"),
    ("T1059.009", "Command and Scripting Interpreter: Cloud API"),
    ("T1068", "Exploitation for Privilege Escalation"),
    ("T1069", "Permission Groups Discovery"),
    ("T1069.003", "Permission Groups Discovery: Cloud Groups"),
    ("T1070", "Indicator Removal"),
    ("T1071", "Application Layer Protocol"),
    ("T1074", "Data Staged"),
    ("T1074.002", "Data Staged: Remote Data Staging"),
    ("T1078", "Valid Accounts"),
    ("T1078.001", "Valid Accounts: Default Accounts"),
    ("T1078.004", "Valid Accounts: Cloud Accounts"),
    ("T1087", "Account Discovery"),
    ("T1087.004", "Account Discovery: Cloud Account"),
    ("T1098", "Account Manipulation"),
    ("T1098.001", "Account Manipulation: Additional Cloud Credentials"),
    ("T1098.003", "Account Manipulation: Additional Cloud Roles"),
    ("T1098.004", "Account Manipulation: SSH Authorized Keys"),
    ("T1098.006", "Account Manipulation: Additional Container Cluster Roles"),
    ("T1105", "Ingress Tool Transfer"),
    ("T1110", "Brute Force"),
    ("T1110.001", "Brute Force: Password Guessing"),
    ("T1110.003", "Brute Force: Password Spraying"),
    ("T1110.004", "Brute Force: Credential Stuffing"),
    ("T1119", "Automated Collection"),
    ("T1133", "External Remote Services"),
    ("T1136", "Create Account"),
    ("T1136.003", "Create Account: Cloud Account"),
    ("T1190", "Exploit Public-Facing Application"),
    ("T1199", "Trusted Relationship"),
    ("T1201", "Password Policy Discovery"),
    ("T1204", "User Execution"),
    ("T1485", "Data Destruction"),
    ("T1486", "Data Encrypted for Impact"),
    ("T1489", "Service Stop"),
    ("T1490", "Inhibit System Recovery"),
    ("T1496", "Resource Hijacking"),
    ("T1498", "Network Denial of Service"),
    ("T1499", "Endpoint Denial of Service"),
    ("T1525", "Implant Internal Image"),
    ("T1526", "Cloud Service Discovery"),
    ("T1528", "Steal Application Access Token"),
    ("T1529", "System Shutdown/Reboot"),
    ("T1530", "Data from Cloud Storage"),
    ("T1531", "Account Access Removal"),
    ("T1534", "Internal Spearphishing"),
    ("T1535", "Unused/Unsupported Cloud Regions"),
    ("T1537", "Transfer Data to Cloud Account"),
    ("T1538", "Cloud Service Dashboard"),
    ("T1546", "Event Triggered Execution"),
    ("T1548", "Abuse Elevation Control Mechanism"),
    ("T1550", "Use Alternate Authentication Material"),
    ("T1550.001", "Use Alternate Authentication Material: Application Access Token"),
    ("T1552", "Unsecured Credentials"),
    ("T1552.001", "Unsecured Credentials: Credentials In Files"),
    ("T1552.004", "Unsecured Credentials: Private Keys"),
    ("T1552.005", "Unsecured Credentials: Cloud Instance Metadata API"),
    ("T1555", "Credentials from Password Stores"),
    ("T1555.006", "Credentials from Password Stores: Cloud Secrets Management Stores"),
    ("T1556", "Modify Authentication Process"),
    ("T1556.006", "Modify Authentication Process: Multi-Factor Authentication"),
    ("T1562", "Impair Defenses"),
    ("T1562.001", "Impair Defenses: Disable or Modify Tools"),
    ("T1562.007", "Impair Defenses: Disable or Modify Cloud Firewall"),
    ("T1562.008", "Impair Defenses: Disable or Modify Cloud Logs"),
    ("T1565", "Data Manipulation"),
    ("T1578", "Modify Cloud Compute Infrastructure"),
    ("T1578.001", "Modify Cloud Compute Infrastructure: Create Snapshot"),
    ("T1578.002", "Modify Cloud Compute Infrastructure: Create Cloud Instance"),
    ("T1578.003", "Modify Cloud Compute Infrastructure: Delete Cloud Instance"),
    ("T1578.005", "Modify Cloud Compute Infrastructure: Modify Cloud Compute Configurations"),
    ("T1580", "Cloud Infrastructure Discovery"),
    ("T1609", "Container Administration Command"),
    ("T1610", "Deploy Container"),
    ("T1611", "Escape to Host"),
    ("T1619", "Cloud Storage Object Discovery"),
    ("T1621", "Multi-Factor Authentication Request Generation"),
    ("T1651", "Cloud Administration Command"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn techniques_are_sorted_and_each_is_found() {
        assert!(TECHNIQUES.is_sorted_by(|(a, _), (b, _)| a < b));
        assert!(TECHNIQUES.iter().all(|(id, name)| technique_name(id) == Some(name)));
        assert_eq!(technique_name("T9999"), None);
    }
}
