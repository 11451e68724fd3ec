export default {
  extends: ['@commitlint/config-conventional'],
  rules: {
    'header-max-length': [2, 'always', 100],
    'body-max-line-length': [0],
    'scope-enum': [
      2,
      'always',
      [
        'activities',
        'api',
        'bench',
        'ci',
        'core',
        'deps',
        'docs',
        'examples',
        'migrations',
        'platform',
        'runner',
        'starter',
        'test',
        'wit',
        'workers',
        'workflows',
      ],
    ],
  },
};
