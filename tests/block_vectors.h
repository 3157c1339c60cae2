/* tests/block_vectors.h - blocks that the reference encoders of ggml-org/ggml wrote.
 *
 * For the inputs A, B and Wt of test_block.c.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WHIT_BLOCK_VECTORS_H
#define WHIT_BLOCK_VECTORS_H

/* clang-format off */
static const struct {
    const char *name;
    char input;
    const char *hex;
} vectors[] = {
    { "Q4_0", 'A',
      "003440d973fc952ec851ea731da63fc862fb" },
    { "Q4_1", 'A',
      "333400c040d962fb952eb751da730c953ec851ea" },
    { "Q5_0", 'A',
      "00302ab55aa980b3d5f82a5d7fa2c4f7194c6e91b3e6" },
    { "Q5_1", 'A',
      "113000c02ab55aa980a2d5f72a4c7f91c4e6193b6e80b3d5" },
    { "Q8_0", 'A',
      "08248114a93cd063f88d20b547dc6f04992cc053e87b10a538cc5ff4891cb143d86b" },
    { "MXFP4", 'A',
      "7ece519d641bd530be529ce42ac540ad53" },
    { "IQ4_NL", 'A',
      "162430ea62fc942ec741ea720da52fd851fb" },
    { "NVFP4", 'A',
      "2b2a2a2a3fd25eb57c06e94f6d96fa37e25ec57de05fd46da6fb27e1b57c17e04fd46ea6" },
    { "Q1_0", 'A',
      "003c2ab55aa9d54aa5562ab55aa9d54aa556" },
    { "Q2_0", 'A',
      "004044196146985146981166941166841965" },
    { "Q2_K", 'B',
      "ffccbcdcdeeeebffffeceeccdccdcb5ae5fd868af46d1e5aec3e61555ac3b5a3abed6642dca4bc51a412f6f1"
      "1d5693087a5979156442ebd22eca89867bd56aa61618788e1fac545fa1b9d1a2c32945388f2d2f30" },
    { "Q3_K", 'B',
      "fab8ffbfca907515f83122b7f50ffadbfecf0c51db0d6f592d006c2d7784e88366933431c1a306d87151ae84"
      "99be126f15dd0ed0fe4b7f326fa2ffb54e8e345778b4b0f09d411ba6cc96c7117b7b560da54dc8f963a9c4c7"
      "ae9f0e7f3a7b368d117778a88b8367700cc3c3f027a5" },
    { "Q4_K", 'B',
      "8a1c1228fefbfafffcfcfdfebccafc2453f5678a70f5dbb8e0f92356a82c732e9cd45a07e331c104620a5825"
      "c36b2d929cbe6070cf4c07569a1f4b3736b27e9b8ae97841e6a99e659c24dece06368500a8a78676600abe1b"
      "d7ac9579be34ab586892b0c8fcc140de13a404163bb543a14d363c062951e9b517b290824ec6597825579ea1"
      "54bc9797cbcdf7caf349823f" },
    { "Q5_K", 'B',
      "22181728fefefffffdfcfdffccdfff287c2e610b4c16f3933eb7a49073897c5d1f6ee5b13aecceb0cce18dcc"
      "92618962a7fbc016e1fbb861e0f448bd525af75f2bbaa501e673a20ac416a24c98c84d35598de001bf990ebc"
      "553e977f8d840c3724f2f191fd714dea3848ecad0d6d2b10525f0efec0066f28b04a3bf46f7959b3c2347092"
      "fb9291af374a192e687a97539b7d5a0d54a2d37a2f7430049d8ca3f05aa02e43a969303f888cfe95e693045f" },
    { "Q6_K", 'B',
      "df48f0ed03c832745129101b56766f0f965d333eb54ddf5d2b11bad9c1ce6117abf1c70d52201872a26136e8"
      "0416017556f8f531fdef85d16883c65814ca491764be5dac814c6d4ff0840679ae936205d50821b4f6d5121e"
      "0e84425c40958f06adfb22ef49901dd598da67dfbdbf8cf60888af5c702c8d89ebe61fcd35a0dd0588817ab6"
      "c841236690025d2966ff889fa8ee6541dfa3bf52b711f5f21f14900bba99f9d5e4822b12de0b4946bb11ab66"
      "eaa44072a34068631c052d1d3f9578c4846e7b857c86808384868677847a6c7c1c90" },
    { "TQ1_0", 'B',
      "34a6767636a6f08047a40e7d7eb335b9d59f7f5a4b0d506533608d709ad2b81d8980a9989b418148b87b5a5a"
      "6a2c7d8336888888fa3f" },
    { "TQ2_0", 'B',
      "64694545a4691a55582950151582645256995541985068516411a5a119165204655565151441969119864545"
      "66915655155468495a68545a90a5919182554464fa3f" },
    { "IQ4_XS", 'B',
      "4010c33f2ff0fe4fe345b89c31151d4920cba3563adef32f6b10baf709d021f4a0f0beeb24aee86e53617fff"
      "907319ba35c114189a9eb1f3abfd7748fec4b075ab11f4e3032d980aa9270797e01c0ffc384e456bdf443d1a"
      "5cabd8d8f6d04ce11ebb1a172cc34bb54e86fe164ad18a74d7e170b12ea62af8dbbc6d4fad3b50532e230527"
      "0bb27ad8" },
};

/* FNV-1a of what the reference (ggml 0c1e57098) wrote for the rows of blocks.h: for each type, in
 * the order of the enum, without importance and with those of the kinds there. */
static const unsigned long long hard_sums[][5] = {
    { 0x4ecce7d59738cc3d, 0xd3397ff8469e32a9, 0x1f060b71047770bf, 0x3db67a9b1ee39a7f, 0x35662e2cd426b6ae }, /* Q4_0 */
    { 0x9af790bf91c0fca9, 0x9e2aa5f1c70f8a8e, 0x9372bfc601bd594a, 0x026d1411f3f88887, 0x10266ec111f5674f }, /* Q4_1 */
    { 0x6fa3e22271016ba4, 0x20a41c9eb3b374df, 0xdf686783df6eddf8, 0xcc2020c55bbc283c, 0xcf581ddb81273e17 }, /* Q5_0 */
    { 0x279c12b6e9722ff2, 0xb40cc7e3836230a1, 0x3bc7dbabd70285a9, 0xcc602dd9aa0ecb5a, 0x16544a6fd6f2d3fe }, /* Q5_1 */
    { 0x5d58f6066f14d9c0, 0xbb21c7c7c7182a09, 0x924c7fb44bb70526, 0xc5dacb36b7ce4cda, 0x8c6d5815c13f5b11 }, /* Q8_0 */
    { 0xb4d1628a9ee12418, 0x7cb91691fbd6bf9d, 0x729c6b208524c138, 0x85b3c1032f872075, 0xbd64d2a5da5c6614 }, /* Q2_K */
    { 0x9ff14f585dab3033, 0x2d1561532dcdc8ca, 0xd790260253d3a266, 0x16241319ada14910, 0x6e6f43efbb96bb3e }, /* Q3_K */
    { 0x7ef0934e17882220, 0x40d2c1d459116888, 0xe2e8a6d270339841, 0x4fa415913ecb9c10, 0x23e8b81ab5b22d14 }, /* Q4_K */
    { 0xf0dc095f8348ba2f, 0x51e8cd53f003111a, 0xf5206fcebe80648d, 0x2977f505a188a84f, 0x57553d525b177577 }, /* Q5_K */
    { 0xaa7701c61a71e764, 0x7aea19915887ed27, 0xcf711283ae73170d, 0x927d339685a212cc, 0xbc48da61914060b0 }, /* Q6_K */
    { 0xf92c06693aaa14ab, 0x18cefd3b00a407c9, 0x253e216166e11956, 0xf6eba2bdd1b4cb2a, 0x5b7ad6efdd4c5ae8 }, /* IQ4_NL */
    { 0x3becded96a07735a, 0x7874cb00c285f3b7, 0x13e6754fb2be5b29, 0x34e8b3926c5f6772, 0x05327b34aece8d48 }, /* IQ4_XS */
    { 0x0c7bc916e8c7c6f7, 0x0fbd3a7f3eb529a9, 0x337ace35815741c3, 0xee68704bf00427a0, 0xa8a6b0623d5719b4 }, /* TQ1_0 */
    { 0x046865dcefd73815, 0x0331ab6139886e63, 0xcd1478fc8d0e4bb1, 0x50f2eaf5d956ecc5, 0x108bac39bfeef79c }, /* TQ2_0 */
    { 0xc63253d878e53ef8, 0xcc58578bed0534ca, 0x3f75b8966f5f74ca, 0x0ffbc21d1f762512, 0x5d208e9dcdaf0e42 }, /* MXFP4 */
    { 0xbd9507ebbf18999f, 0xbe05adb4197c8847, 0x38cc3b22e14f249e, 0x8badaed9bc7e502d, 0x706574d21ed20689 }, /* NVFP4 */
    { 0xf30b2d855dc35d5a, 0xd316a72657ce33d5, 0x8d7d3276d55d2517, 0xd5ab1ef835d05e2d, 0x17fbdd33fe38d77d }, /* Q1_0 */
    { 0xcb6a61fe731c1833, 0xa8f9e0490d01c2f7, 0xb1b99eccde11dadb, 0x8bd58cd15d4ce9a6, 0x26c67c2384876946 }, /* Q2_0 */
};

#endif
