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

#endif
