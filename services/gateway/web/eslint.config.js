import js from '@eslint/js';
import importX from 'eslint-plugin-import-x';
import hooks from 'eslint-plugin-react-hooks';
import tseslint from 'typescript-eslint';

const features = ['accounts', 'chat', 'connections', 'files', 'pulls', 'repos', 'sessions', 'terminals'];

// Imports go one way: lib and components <- features <- app; a feature knows no other feature.
const zones = [
  ...features.map((feature) => ({
    target: `./src/features/${feature}`,
    from: './src/features',
    except: [`./${feature}`],
    message: 'Features do not know each other: meet in src/app.',
  })),
  { target: './src/features', from: './src/app', message: 'Features know nothing of the app around them.' },
  { target: ['./src/lib', './src/components'], from: ['./src/features', './src/app'], message: 'Shared code knows no feature.' },
  { target: './src/lib', from: './src/components', message: 'lib has no looks.' },
  { target: './src', from: './mock', message: 'The page knows no mock.' },
];

export default tseslint.config(
  { ignores: ['dist', 'node_modules'] },
  js.configs.recommended,
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: { allowDefaultProject: ['eslint.config.js'] } } },
    plugins: { 'import-x': importX, 'react-hooks': hooks },
    settings: { 'import-x/resolver': { typescript: true } },
    rules: {
      ...hooks.configs.recommended.rules,
      'import-x/no-restricted-paths': ['error', { zones }],
      'import-x/no-cycle': 'error',
      'max-lines': ['error', 400],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/no-misused-promises': ['error', { checksVoidReturn: { attributes: false } }],
      'react-hooks/refs': 'off',
    },
  },
  { files: ['eslint.config.js'], ...tseslint.configs.disableTypeChecked },
);
