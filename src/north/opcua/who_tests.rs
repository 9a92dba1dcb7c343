use super::*;
use memg_north::points::Extent;
use opcua::types::MessageSecurityMode;

fn who(listen: &str) -> Who {
    let user = |name: &str, role| User { name: name.into(), role, hash: format!("hash of {name}'s") };
    let settings = OpcUaSettings {
        listen: listen.parse().unwrap(),
        host: "gateway".into(),
        application_uri: "urn:test".into(),
        site: "test".into(),
        users: vec![user("anna", Role::Operator), user("grid", Role::Guard)],
        certificates: None,
    };
    let list = Arc::new(PointList::of(&Extent::default()));
    Who::new(&settings, |hash, password| hash == format!("hash of {password}"), list, Complaints::of("test"))
}

fn endpoint(policy: SecurityPolicy, mode: MessageSecurityMode) -> ServerEndpoint {
    ServerEndpoint::new("/", policy, mode, &[])
}

fn open() -> ServerEndpoint {
    endpoint(SecurityPolicy::None, MessageSecurityMode::None)
}

#[tokio::test(start_paused = true)]
async fn names_and_passwords_belong_together() {
    let who = who("127.0.0.1:0");
    for (name, password, expected) in [
        ("anna", "anna's", true),
        ("anna", "grid's", false),
        ("grid", "anna's", false),
        ("nobody", "anna's", false),
        ("", "", false),
        ("anna", &"x".repeat(1000), false),
    ] {
        let password = Password::new(password.to_owned());
        let token = who.authenticate_username_identity_token(&open(), name, &password).await;
        assert_eq!(token.is_ok(), expected, "{name}");
    }
}

#[tokio::test]
async fn nobody_looks_on_without_name_beyond_this_machine() {
    assert!(who("127.0.0.1:0").authenticate_anonymous_token(&open()).await.is_ok());
    let beyond = who("10.0.0.1:4840");
    assert!(beyond.authenticate_anonymous_token(&open()).await.is_err());
    assert!(beyond.user_token_policies(&open()).is_empty(), "no password without encryption");
    let sealed = endpoint(SecurityPolicy::Aes256Sha256RsaPss, MessageSecurityMode::SignAndEncrypt);
    let policies = beyond.user_token_policies(&sealed);
    assert_eq!(policies.iter().map(|policy| policy.token_type).collect::<Vec<_>>(), [UserTokenType::UserName]);
}

#[tokio::test]
async fn a_node_is_writable_for_its_role_alone_and_never_without_name() {
    let who = who("127.0.0.1:0");
    let both = AccessLevel::CURRENT_READ | AccessLevel::CURRENT_WRITE;
    let rows = [
        ("anna", "command.battery_kw", true),
        ("grid", "command.battery_kw", false),
        ("grid", "command.import_limit_kw", true),
        ("anna", "mode", false),
        ("anna", "no such point", false),
        ("nobody", "command.import_limit_kw", false),
        (ANONYMOUS, "command.import_limit_kw", false),
        ("ANONYMOUS", "command.import_limit_kw", false),
    ];
    for (token, node, expected) in rows {
        let level = who.effective_user_access_level(&UserToken(token.into()), both, &NodeId::new(2, node.to_owned()));
        assert_eq!(level.contains(AccessLevel::CURRENT_WRITE), expected, "{token} {node}");
        assert!(level.contains(AccessLevel::CURRENT_READ), "{token} {node}");
    }
    assert!(!who.principal(&UserToken("nobody".into())).authenticated);
}
